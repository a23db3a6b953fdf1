"""Runs Spark jobs in parallel with the main thread, which leaves processors idle: ALS
between its stages, and the driver while it plans a query."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from py4j.protocol import Py4JError
from pyspark import SparkContext

T = TypeVar("T")


@contextmanager
def in_parallel(sc: SparkContext, work: Callable[[], T]) -> Iterator["Future[T]"]:
    """Run work in another thread while the block runs, and wait for it when the block
    ends. If the block raises, the Spark jobs of work are cancelled first, so that it no
    longer writes when the files of a failed attempt are deleted. The future has the
    result or the error of work."""
    group = f"parallel-{uuid.uuid4().hex[:8]}"

    def run() -> T:
        sc.setJobGroup(group, "recflow, in parallel", interruptOnCancel=False)
        sc.setLocalProperty("spark.scheduler.pool", "parallel")
        return work()

    with ThreadPoolExecutor(1, thread_name_prefix=group) as thread:
        future = thread.submit(run)
        try:
            yield future
        except BaseException:
            with suppress(Py4JError, OSError):  # Spark itself may have failed
                sc.cancelJobGroup(group)
            raise
