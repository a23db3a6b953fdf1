"""What a run that failed reports: one line that says what failed first."""

import re
import signal
import subprocess
from pathlib import Path

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from recflow_glue import session

# Exit statuses of Spark's JVM (org.apache.spark.util.SparkExitCode).
UNCAUGHT, OUT_OF_MEMORY = 50, 52

SOON = 2.0  # seconds within which an error that ends the JVM has stopped its Spark context
ENDING = 60.0  # seconds that such a JVM has left to exit
LOG_TAIL = 16 << 20  # bytes; the traces of a stack overflow take a megabyte
FATAL = re.compile(rb"^(?:Caused by: )?(java\.lang\.(?:StackOverflow|OutOfMemory)Error.*)", re.MULTILINE)


class SparkFailed(Exception):
    """Something failed inside Spark. The text is what failed first, in one line:
    the rest, which wraps it in what failed for it, is in the log."""

    def __init__(self, failure: Py4JJavaError):
        cause = failure.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        lines = [line for line in cause.toString().splitlines() if line.strip()]
        # Of Python's traceback the last line says it, of a Java exception the first.
        super().__init__(lines[-1] if "Traceback (most recent call last)" in lines[0] else lines[0])


class SparkDied(Exception):
    """The Spark JVM is gone. What was asked of it failed with an error of the connection,
    such as ConnectionRefusedError. The text is one line: what died, why as far as is
    known, and where the log is. status is that of subprocess.Popen, None when unknown."""

    def __init__(self, status: int | None, stage: str):
        log = session.log_path()
        error = fatal_error(log)
        how = "; ".join(filter(None, [ended(status), error]))
        super().__init__(
            f"the Spark JVM died in stage {stage} ({how}). Likely cause: {likely_cause(status, error)}. "
            f"A retry without a change is likely to end the same way. Log: {log or 'error log of this Glue run'}"
        )


def reported(failure: Exception, spark: SparkSession, stage: str) -> Exception:
    """The error to end the run with when a stage raised this one."""
    process = spark.sparkContext._gateway.proc  # None on Glue, where the JVM has started this process
    inside = isinstance(failure, Py4JJavaError)
    status = exit_status(process, SOON if inside else 0.0)
    try:
        error = SparkFailed(failure) if inside else failure
        if spark.sparkContext._jsc.sc().isStopped():  # as it is in a JVM that is about to exit
            status = exit_status(process, ENDING)
    except (Py4JError, OSError):  # no answer
        return SparkDied(exit_status(process, ENDING), stage)
    return error if status is None else SparkDied(status, stage)


def exit_status(process: subprocess.Popen | None, patience: float) -> int | None:
    """The exit status of a process that ends within so many seconds."""
    try:
        return process.wait(patience) if process else None
    except subprocess.TimeoutExpired:
        return None


def ended(status: int | None) -> str:
    if status is None:
        return "it no longer answers"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def fatal_error(log: Path | None) -> str:
    """The last error in the log that ends a JVM; empty when there is none."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as f:
        f.seek(max(0, log.stat().st_size - LOG_TAIL))
        found = FATAL.findall(f.read())
    return found[-1].decode(errors="replace").strip() if found else ""


def likely_cause(status: int | None, error: str) -> str:
    if status == OUT_OF_MEMORY or "OutOfMemoryError" in error:
        return "its heap is too small for the data and the rank; start the stack with a larger RECFLOW_SPARK_MEMORY"
    if "StackOverflowError" in error:
        return "a thread's stack is too small for the plan of this training; use fewer iterations, and report it"
    if status == -signal.SIGKILL:
        return "the machine ran out of memory and the kernel killed it; free memory, or lower the rank or RECFLOW_SPARK_MEMORY"
    if status is None:
        return "the driver ran out of memory; use a larger worker_type, or a lower rank"
    return "an error that the log names"
