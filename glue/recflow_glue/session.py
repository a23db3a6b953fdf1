"""Opens the Spark session, on Glue and on a laptop. Only this module reads the environment.

Glue provides the cluster, s3:// and the credentials. Locally, which means that
AWS_ENDPOINT_URL_S3 is set, Hadoop's S3A serves s3://. RECFLOW_SPARK_JARS lists its
jars, separated by commas.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

COMMON = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.autoBroadcastJoinThreshold": str(64 << 20),
    # Aggregate sorted rows in their order, without a hash table: histories are sorted
    # once, and their sums are the same in every run.
    "spark.sql.execution.replaceHashWithSortAgg": "true",
    # Collect users' items in a hash table, which avoids a sort of all pairs.
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "20000",
    # Schedule jobs that run in parallel (parallel.py) fairly.
    "spark.scheduler.mode": "FAIR",
    "spark.sql.files.openCostInBytes": str(256 << 10),
    "spark.ui.showConsoleProgress": "false",
}

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

S3A = {
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
    "spark.hadoop.fs.s3a.bucket.probe": "0",
    "spark.hadoop.fs.s3a.change.detection.mode": "none",
}


def is_local() -> bool:
    return bool(os.environ.get("AWS_ENDPOINT_URL_S3"))


def log_path() -> Path | None:
    """Return the log of this run, which the local Glue endpoint sets, or None."""
    path = os.environ.get("RECFLOW_JOB_LOG")
    return Path(path) if path else None


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def driver_memory(spark: SparkSession) -> int:
    """Return the bytes that Python may use on the driver."""
    return outside_heap(spark.sparkContext._jvm.java.lang.Runtime.getRuntime().maxMemory())


def outside_heap(heap: int) -> int:
    """Return the bytes that Python may use next to a JVM with this heap: what the machine or the container
    has, without the heap and an eighth for everything else."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else "max"
    if limit != "max":
        total = min(total, int(limit))
    return max(0, total - heap) * 7 // 8


@dataclass(frozen=True)
class Executors:
    """The executors apart from the driver. On Glue each is on a machine like that of the driver."""

    number: int  # 0 on a laptop, where tasks run in the driver
    cores: int  # of each
    memory: int  # bytes that the Python processes of each may use


def executors(spark: SparkSession) -> Executors:
    """Return the executors that have registered."""
    sc = spark.sparkContext
    number = len(sc._jsc.sc().statusTracker().getExecutorInfos()) - 1  # the driver is one of the infos
    if number < 1:
        return Executors(0, 0, 0)
    heap = sc._jvm.org.apache.spark.network.util.JavaUtils.byteStringAsBytes(
        sc.getConf().get("spark.executor.memory", "1g")
    )
    cores = int(sc.getConf().get("spark.executor.cores", str(max(1, sc.defaultParallelism // number))))
    return Executors(number, cores, outside_heap(heap))


def open_session(name: str) -> SparkSession:
    builder = SparkSession.builder.appName(name)
    settings = dict(COMMON)
    if is_local():
        settings |= local_settings()
        builder = builder.master(os.environ.get("RECFLOW_SPARK_MASTER", "local[*]"))
        prepare_workers()
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    if not is_local():
        # Adaptive execution merges small partitions, so start with a large number.
        wanted = max(200, 3 * spark.sparkContext.defaultParallelism)
        spark.conf.set("spark.sql.shuffle.partitions", str(wanted))
    return spark


def local_settings() -> dict[str, str]:
    """Return the settings for one machine: few partitions, no UI, and S3A with the emulator."""
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    settings = S3A | {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https")).lower(),
        # Four times Java's default, as a margin, because tasks run in the driver. Checkpoints
        # keep lineages short (mllib.CHECKPOINT_EVERY). Glue sets the options of its JVMs.
        "spark.driver.extraJavaOptions": "-Xss4m",
        "spark.driver.memory": os.environ.get("RECFLOW_SPARK_MEMORY", "4g"),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 2)),
        # Few partitions leave nothing to adapt, and running each stage as a separate
        # query takes a quarter of a small job's processor time.
        "spark.sql.adaptive.enabled": "false",
    }
    jars = os.environ.get("RECFLOW_SPARK_JARS", "")
    if jars:
        settings["spark.jars"] = jars
    return settings


def prepare_workers() -> None:
    """Set the environment so that Python workers use this interpreter and find this package."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    package = str(Path(__file__).resolve().parent.parent)
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
