"""The Spark session, on Glue and on a laptop. The only reader of the environment.

On Glue the cluster, s3:// and the credentials are given. Locally (that is,
when AWS_ENDPOINT_URL_S3 is set) s3:// is served by Hadoop's S3A, whose jars
RECFLOW_SPARK_JARS names as a comma list.
"""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

COMMON = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.autoBroadcastJoinThreshold": str(64 << 20),
    # Sorted rows are aggregated as they come, in their order and without a hash
    # table: histories are sorted once, and their sums are the same in every run.
    "spark.sql.execution.replaceHashWithSortAgg": "true",
    # Collecting a user's pairs in a hash table needs no sort of all pairs.
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "20000",
    # What runs beside the main line gets its turn, a job at a time.
    "spark.scheduler.mode": "FAIR",
    "spark.sql.files.openCostInBytes": str(256 << 10),
    "spark.ui.showConsoleProgress": "false",
}

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
    """Where the output of this process goes, when the local Glue endpoint keeps it."""
    path = os.environ.get("RECFLOW_JOB_LOG")
    return Path(path) if path else None


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
        # Adaptive execution merges what is too small, so start from plenty.
        wanted = max(200, 3 * spark.sparkContext.defaultParallelism)
        spark.conf.set("spark.sql.shuffle.partitions", str(wanted))
    return spark


def local_settings() -> dict[str, str]:
    """Settings for one machine: few partitions, no UI, S3A against the emulator."""
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    settings = S3A | {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https")).lower(),
        # Four times Java's default. Checkpoints keep lineages short (train.CHECKPOINT_EVERY);
        # this is a margin, for tasks run in the driver here. Glue sets its JVMs' options itself.
        "spark.driver.extraJavaOptions": "-Xss4m",
        "spark.driver.memory": os.environ.get("RECFLOW_SPARK_MEMORY", "4g"),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 2)),
        # With so few partitions there is nothing to adapt, and each stage as a
        # query of its own costs a quarter of a small job's processor time.
        "spark.sql.adaptive.enabled": "false",
    }
    jars = os.environ.get("RECFLOW_SPARK_JARS", "")
    if jars:
        settings["spark.jars"] = jars
    return settings


def prepare_workers() -> None:
    """Let Python workers run this interpreter and find this package."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    package = str(Path(__file__).resolve().parent.parent)
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
