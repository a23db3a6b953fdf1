"""Fixtures: one S3 emulator and one Spark session for all tests.

They need the tools that `make setup` installs, in RECFLOW_CACHE or in recflow's folder
in the user's cache folder. RECFLOW_SPARK_JARS overrides the jars.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

START = datetime(2017, 1, 1, tzinfo=UTC)


def toolchain() -> dict:
    cache = os.environ.get("RECFLOW_CACHE") or Path.home() / ".cache" / "recflow"
    file = Path(cache) / "toolchain.json"
    return json.loads(file.read_text()) if file.exists() else {}


reserved: list[socket.socket] = []


def reserve_port() -> int:
    """Reserve a port until this process ends, with a bound socket that does not listen.

    SO_REUSEADDR is set after binding, so that the emulator, which sets it too, can listen on the port. This works on
    Linux; on other systems the port is free but not reserved (see internal/local/localport).
    """
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    if sys.platform == "linux":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.append(s)
    else:
        s.close()
    return port


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory):
    """Start the S3 emulator, set the environment of the job, and return the address."""
    with emulator(tmp_path_factory.mktemp("ministack")) as address:
        os.environ["RECFLOW_SPARK_MASTER"] = "local[2, 3]"  # three attempts per task, to test retries
        os.environ["RECFLOW_SPARK_MEMORY"] = "2g"
        yield address


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """Run the S3 emulator on a reserved port and set the environment that the job reads."""
    tools = toolchain()
    command = tools.get("ministack") or shutil.which("ministack", path=str(Path(sys.executable).parent))
    jars = os.environ.get("RECFLOW_SPARK_JARS") or ",".join(tools.get("spark_jars") or [])
    if not jars:
        raise RuntimeError("no Spark jars for s3://; run `make setup` or set RECFLOW_SPARK_JARS")
    port = reserve_port()
    env = os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "S3_PERSIST": "0", "PERSIST_STATE": "0"}
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen([command], env=env, stdout=out, stderr=out, cwd=folder)
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "RECFLOW_SPARK_JARS": jars,
    }
    if tools.get("java_home") and not os.environ.get("JAVA_HOME"):
        os.environ["JAVA_HOME"] = tools["java_home"]
    try:
        wait_until_open(server, port, log)
        yield os.environ["AWS_ENDPOINT_URL_S3"]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=10)


def wait_until_open(server: subprocess.Popen, port: int, log: Path) -> None:
    from botocore.exceptions import BotoCoreError

    from recflow_glue.storage import client

    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError(f"the S3 emulator exited: {log.read_text()[-2000:]}")
        try:
            client().list_buckets()
            return
        except BotoCoreError:
            try:
                server.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
    raise RuntimeError("the S3 emulator does not answer")


@pytest.fixture(scope="session")
def spark(endpoint):
    from recflow_glue import session

    s = session.open_session("tests")
    s.conf.set("spark.sql.shuffle.partitions", "2")
    s.conf.set("spark.sql.adaptive.enabled", "true")  # as on Glue; the test of the entry point runs with false
    yield s
    s.stop()


@pytest.fixture
def bucket(endpoint):
    """An empty bucket for one test."""
    from recflow_glue.storage import Bucket, client

    name = "test-" + uuid.uuid4().hex[:12]
    client().create_bucket(Bucket=name)
    return Bucket(name)


@pytest.fixture
def scratch(bucket):
    from recflow_glue.storage import Scratch

    s = Scratch(bucket, "scratch/", local=True)
    yield s
    s.remove()


@pytest.fixture
def faults():
    """Counts the injected faults by kind. A test that uses it must inject at least one."""
    counts = Counter()
    yield counts
    print("injected faults:", dict(counts))
    assert counts.total() > 0, "the test injected no fault"


def at(seconds: float) -> datetime:
    """Return the time this number of seconds after 2017-01-01."""
    return START + timedelta(seconds=seconds)
