"""Jobs beside the main line of a run, which leaves processors idle: ALS between its
stages, and the driver while it plans a query."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from py4j.protocol import Py4JError
from pyspark import SparkContext

T = TypeVar("T")


@contextmanager
def beside(sc: SparkContext, work: Callable[[], T]) -> Iterator["Future[T]"]:
    """Run work in a thread of its own while the block runs. It has ended when the
    block is left, cancelled if by an exception: nothing is still being written when
    the files of a failed attempt are deleted. The future holds its result or error."""
    group = f"beside-{uuid.uuid4().hex[:8]}"

    def run() -> T:
        sc.setJobGroup(group, "recflow, beside", interruptOnCancel=False)
        sc.setLocalProperty("spark.scheduler.pool", "beside")
        return work()

    with ThreadPoolExecutor(1, thread_name_prefix=group) as thread:
        future = thread.submit(run)
        try:
            yield future
        except BaseException:
            with suppress(Py4JError, OSError):  # Spark may be what failed
                sc.cancelJobGroup(group)
            raise
