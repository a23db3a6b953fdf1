"""The errors that a failed job reports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from data import put_interactions, shop
from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as f

from recflow_glue.failure import OUT_OF_MEMORY, UNCAUGHT, SparkDied, SparkFailed

ENTRY = Path(__file__).resolve().parents[1] / "glue_job.py"

# Runs the entry point, and kills its JVM during training.
KILLED_IN_TRAINING = """
import os, runpy, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from recflow_glue import mllib
real = mllib.fit
def fit(pairs, settings):
    os.kill(pairs.sparkSession.sparkContext._gateway.proc.pid, signal.SIGKILL)
    return real(pairs, settings)
mllib.fit = fit
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def it_reports_the_root_cause(spark, tmp_path):
    rows = spark.range(3).select(f.expr("raise_error('a bad row')").cast("string").alias("x"))
    with pytest.raises(Py4JJavaError) as caught:
        rows.write.parquet(str(tmp_path / "rows"))
    assert len(str(caught.value)) > 1000
    assert str(SparkFailed(caught.value)) == "java.lang.RuntimeException: a bad row"


def it_reports_the_last_line_of_a_traceback(spark):
    with pytest.raises(Py4JJavaError) as caught:
        spark.sparkContext.parallelize([1, 0]).map(lambda x: 1 // x).collect()
    assert str(SparkFailed(caught.value)) == "ZeroDivisionError: integer division or modulo by zero"


def it_reports_the_exit_of_the_jvm_instead_of_a_refused_connection(endpoint, bucket, tmp_path):
    put_interactions(bucket, shop(users=20, items=20))
    log, scratch = tmp_path / "output.log", tmp_path / "tmp"
    scratch.mkdir()
    times = ["--to", "2017-03-01T00:00:00Z", "--stored_to", "2017-03-01T00:00:00Z"]
    with log.open("wb") as output:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                KILLED_IN_TRAINING,
                str(ENTRY),
                "--bucket",
                bucket.name,
                "--run_id",
                "r1",
                "--trainer",
                "mllib",
                *times,
            ],
            env=os.environ | {"RECFLOW_JOB_LOG": str(log), "TMPDIR": str(scratch)},
            stdout=output,
            stderr=output,
            timeout=300,
            check=False,
        )
    assert done.returncode == 1
    reported = [line for line in log.read_text().splitlines() if line.startswith("RECFLOW_ERROR ")]
    assert reported == [
        "RECFLOW_ERROR SparkDied: the Spark JVM died in stage train (killed by SIGKILL). Likely cause: the machine ran out "
        "of memory and the kernel killed it; free memory, or lower the rank or RECFLOW_SPARK_MEMORY. A retry without a "
        f"change is likely to fail the same way. Log: {log}"
    ]
    assert [o.key for o in bucket.objects("embeddings/") if "_progress" not in o.key] == []
    assert list(scratch.glob("recflow-glue-*")) == []


@pytest.mark.parametrize(
    ("status", "output", "message"),
    [
        (UNCAUGHT, "java.lang.StackOverflowError\n\tat x\n", "(exit status 50; java.lang.StackOverflowError)"),
        (OUT_OF_MEMORY, "Caused by: java.lang.OutOfMemoryError: Java heap space\n", "RECFLOW_SPARK_MEMORY"),
        (UNCAUGHT, "", "(exit status 50). Likely cause: unknown; see the log"),
        (None, "", "larger worker_type"),
    ],
)
def it_reports_the_likely_cause(tmp_path, monkeypatch, status, output, message):
    log = tmp_path / "output.log"
    log.write_text("ERROR Executor: Exception in task 0.0\n" + output + "later\n")
    monkeypatch.setenv("RECFLOW_JOB_LOG", str(log))
    assert message in str(SparkDied(status, "train"))
    assert str(SparkDied(status, "train")).endswith(f"Log: {log}")
