"""The cost of the training job relative to a plain MLlib fit on the same matrix.

    python bench/glue/job.py                    a generated shop of 670,000 pairs, rank 64
    python bench/glue/job.py --pairs 100000     a smaller one
    python bench/glue/job.py --trainer mllib    the job with the trainer mllib
    python bench/glue/job.py --bucket NAME      a bucket at the endpoint AWS_ENDPOINT_URL_S3

The job and the fit run one after the other in separate processes, so that both start
with a cold JVM. Startup is the time until the Spark session is ready; it is printed
separately and excluded from the ratio. Processor time is that of the JVM: unlike wall
time it does not depend on the load of the machine. The trainer als runs in Python, so
its processor time is not included.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

GLUE = Path(__file__).resolve().parents[2] / "glue"
sys.path[:0] = [str(GLUE), str(GLUE / "tests")]

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bucket")
    p.add_argument("--pairs", type=int, default=670_000)
    p.add_argument("--users", type=int, default=2_500)
    p.add_argument("--items", type=int, default=40_000)
    p.add_argument("--days", type=int, default=330)
    p.add_argument("--trainer", choices=["als", "mllib"], default="als")
    p.add_argument("--rank", type=int, default=64)
    p.add_argument("--iterations", type=int, default=12)
    p.add_argument("--to", type=datetime.fromisoformat, default=FAR)
    p.add_argument("--measure", choices=["job", "fit"], help=argparse.SUPPRESS)
    p.add_argument("--pairs-dir", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.measure:
        print("RESULT " + json.dumps(measure_job(a) if a.measure == "job" else measure_fit(a)), flush=True)
        return
    if a.bucket:
        compare(a)
    else:
        with_emulator(a)


def with_emulator(a: argparse.Namespace) -> None:
    """Run on generated events in an S3 emulator that this program starts."""
    import conftest

    folder = Path(tempfile.mkdtemp(prefix="recflow-bench-"))
    try:
        with conftest.emulator(folder):
            generate(a)
            compare(a)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def generate(a: argparse.Namespace) -> None:
    """Write purchases with popular items and heavy users, one Parquet object per day, like an import."""
    import data
    import numpy as np
    import pyarrow as pa

    from recflow_glue.formats import INTERACTIONS
    from recflow_glue.storage import Bucket, client

    a.bucket = "bench"
    client().create_bucket(Bucket=a.bucket)
    bucket, rng = Bucket(a.bucket), np.random.default_rng(7)
    n = a.pairs * 3 // 2  # some pairs repeat
    users = (a.users * rng.random(n) ** 1.5).astype(int)
    items = (a.items * rng.random(n) ** 3).astype(int)
    start = datetime(2017, 1, 1, tzinfo=UTC)
    for day, rows in enumerate(np.array_split(np.arange(n), a.days)):
        t = start + timedelta(days=day)
        table = pa.table(
            {
                "event_id": [f"{r:032x}" for r in rows],
                "user_id": [f"u{u}" for u in users[rows]],
                "item_id": [f"i{i}" for i in items[rows]],
                "event_type": ["purchase"] * len(rows),
                "value": [1.0] * len(rows),
                "occurred_at": [t + timedelta(seconds=i) for i in range(len(rows))],
            },
            schema=INTERACTIONS,
        )
        data.put_table(bucket, f"raw/interactions/dt={t:%Y-%m-%d}/part.parquet", table)


def compare(a: argparse.Namespace) -> None:
    pairs_dir = tempfile.mkdtemp(prefix="recflow-bench-pairs-")
    try:
        job, fit = child("job", a, pairs_dir), child("fit", a, pairs_dir)
    finally:
        shutil.rmtree(pairs_dir, ignore_errors=True)
    print(
        f"matrix      {fit['pairs']:,} pairs, {job['users']:,} users, {job['items']:,} items, rank {a.rank}, {a.iterations} iterations"
    )
    print(f"start-up    {job['startup']:6.1f} s")
    print(f"job         {job['wall']:6.1f} s   {job['cpu']:6.1f} s of processor time, without start-up")
    for stage, seconds in job["stages"].items():
        print(f"  {stage:<10}{seconds:6.1f} s")
    print(f"bare fit    {fit['wall']:6.1f} s   {fit['cpu']:6.1f} s of processor time")
    print(f"job ÷ fit   {job['wall'] / fit['wall']:6.2f}     {job['cpu'] / fit['cpu']:6.2f} by processor time")
    if own := job["stages"].get("fit"):
        print(f"fit ÷ fit   {own / fit['wall']:6.3f}   of the trainer als, with the exact solution for the users")


def child(what: str, a: argparse.Namespace, pairs_dir: str) -> dict:
    arguments = ["--measure", what, "--pairs-dir", pairs_dir, "--bucket", a.bucket, "--rank", str(a.rank)]
    arguments += ["--iterations", str(a.iterations), "--to", a.to.isoformat(), "--trainer", a.trainer]
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(
        next(line for line in done.stdout.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT ")
    )


def processor_seconds(spark) -> float:
    """Return the JVM's processor time in whole seconds. ps prints it as [hours:]minutes:seconds."""
    jvm = str(spark.sparkContext._gateway.proc.pid)
    text = subprocess.run(["ps", "-o", "time=", "-p", jvm], capture_output=True, text=True, check=True).stdout
    seconds = 0.0
    for part in text.strip().split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def measure_job(a: argparse.Namespace) -> dict:
    from recflow_glue import als, job, progress, train
    from recflow_glue.storage import Bucket

    began = time.monotonic()
    spark, started = open_spark()
    copy_pairs(train, a.pairs_dir)
    stages: dict[str, float] = {}
    time_stages(progress, stages)
    time_fit(als, stages)
    cpu, t = processor_seconds(spark), time.monotonic()
    run_id = f"bench-{os.getpid()}"
    key = job.run(config(a, run_id, a.trainer))
    wall, cpu = time.monotonic() - t, processor_seconds(spark) - cpu
    bucket = Bucket(a.bucket)
    found = json.loads(bucket.get(key))["input"]
    bucket.delete_prefix(f"embeddings/run={run_id}/")
    return {
        "startup": started - began,
        "wall": wall,
        "cpu": cpu,
        "stages": stages,
        "users": found["users"],
        "items": found["items"],
    }


def copy_pairs(train, folder: str) -> None:
    """Copy the matrix before the job deletes its scratch space."""
    real = train.run

    def run(r, found, pairs):
        shutil.copytree(Path(pairs.inputFiles()[0].removeprefix("file:")).resolve().parent, Path(folder) / "pairs")
        return real(r, found, pairs)

    train.run = run


def time_stages(progress, stages: dict[str, float]) -> None:
    from contextlib import contextmanager

    real = progress.Progress.stage

    @contextmanager
    def stage(self, name):
        t = time.monotonic()
        with real(self, name):
            yield
        stages[name] = stages.get(name, 0.0) + time.monotonic() - t

    progress.Progress.stage = stage


def time_fit(als, stages: dict[str, float]) -> None:
    real = als.fit

    def fit(by_user, *arguments, **named):
        t = time.monotonic()
        found = real(by_user, *arguments, **named)
        if len(by_user) > 1:  # not the one that compiles
            stages["fit"] = time.monotonic() - t
        return found

    als.fit = fit


def measure_fit(a: argparse.Namespace) -> dict:
    from recflow_glue import mllib

    spark, _ = open_spark()
    pairs = spark.read.schema("user int, item int, weight float").parquet(f"file://{a.pairs_dir}/pairs")
    cpu, t = processor_seconds(spark), time.monotonic()
    model = mllib.fit(pairs, mllib.complete(config(a, "bench", "mllib").training))
    model.userFactors.count()
    return {"wall": time.monotonic() - t, "cpu": processor_seconds(spark) - cpu, "pairs": pairs.count()}


def open_spark():
    from recflow_glue import session

    spark = session.open_session("bench")
    spark.range(1).count()
    return spark, time.monotonic()


def config(a: argparse.Namespace, run_id: str, trainer: str):
    from recflow_glue.arguments import Config
    from recflow_glue.settings import Requested

    training = Requested(trainer=trainer, rank=a.rank, iterations=a.iterations)
    return Config(a.bucket, run_id, None, a.to, FAR, training=training)


if __name__ == "__main__":
    main()
