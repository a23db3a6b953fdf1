"""Turns the failure of a run into one line that names its root cause."""

import re
import signal
import subprocess
from pathlib import Path

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from recflow_glue import session

# Exit statuses of Spark's JVM (org.apache.spark.util.SparkExitCode).
UNCAUGHT, OUT_OF_MEMORY = 50, 52

STOP_TIMEOUT = 2.0  # seconds within which a fatal error of the JVM has stopped the Spark context
EXIT_TIMEOUT = 60.0  # seconds within which such a JVM has exited
LOG_TAIL = 16 << 20  # bytes; the stack traces of a stack overflow take a megabyte
FATAL = re.compile(rb"^(?:Caused by: )?(java\.lang\.(?:StackOverflow|OutOfMemory)Error.*)", re.MULTILINE)


class SparkFailed(Exception):
    """An operation of Spark failed. The text is the root cause in one line. The log has the
    exceptions that wrap it."""

    def __init__(self, failure: Py4JJavaError):
        cause = failure.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        lines = [line for line in cause.toString().splitlines() if line.strip()]
        # The message is in the last line of a Python traceback, and in the first of a Java exception.
        super().__init__(lines[-1] if "Traceback (most recent call last)" in lines[0] else lines[0])


class SparkDied(Exception):
    """The Spark JVM exited. Calls to it fail with an error of the connection, such as
    ConnectionRefusedError. The text is one line with the stage, the likely cause and the path
    of the log. status is the exit status as in subprocess.Popen, or None if unknown."""

    def __init__(self, status: int | None, stage: str):
        log = session.log_path()
        error = fatal_error(log)
        how = "; ".join(filter(None, [describe_status(status), error]))
        super().__init__(
            f"the Spark JVM died in stage {stage} ({how}). Likely cause: {likely_cause(status, error)}. "
            f"A retry without a change is likely to fail the same way. Log: {log or 'error log of this Glue run'}"
        )


def error_to_report(failure: Exception, spark: SparkSession, stage: str) -> Exception:
    """Return the error with which the run ends after a stage has raised failure."""
    process = spark.sparkContext._gateway.proc  # None on Glue, where the JVM starts this process
    inside = isinstance(failure, Py4JJavaError)
    status = exit_status(process, STOP_TIMEOUT if inside else 0.0)
    try:
        error = SparkFailed(failure) if inside else failure
        if spark.sparkContext._jsc.sc().isStopped():  # the JVM is about to exit
            status = exit_status(process, EXIT_TIMEOUT)
    except (Py4JError, OSError):  # the JVM does not answer
        return SparkDied(exit_status(process, EXIT_TIMEOUT), stage)
    return error if status is None else SparkDied(status, stage)


def exit_status(process: subprocess.Popen | None, timeout: float) -> int | None:
    """Return the exit status of the process, or None if it does not end within timeout seconds."""
    try:
        return process.wait(timeout) if process else None
    except subprocess.TimeoutExpired:
        return None


def describe_status(status: int | None) -> str:
    if status is None:
        return "it does not answer"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def fatal_error(log: Path | None) -> str:
    """Return the last error in the log that is fatal to a JVM, or an empty text."""
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
        return (
            "a thread's stack is too small for the plan of this training; use fewer iterations, and report this error"
        )
    if status == -signal.SIGKILL:
        return "the machine ran out of memory and the kernel killed it; free memory, or lower the rank or RECFLOW_SPARK_MEMORY"
    if status is None:
        return "the driver ran out of memory; use a larger worker_type, or a lower rank"
    return "unknown; see the log"
