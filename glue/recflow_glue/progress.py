"""Reports progress as a line in the log and a small object in S3.

The numbers are the finished and known Spark tasks of the stage's jobs, unless the stage
counts something else.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark import SparkContext

from recflow_glue.storage import Bucket

PERIOD = 1.0  # seconds between two reports


class Progress:
    """Reports the running stage from another thread until closed. Best effort: a failed
    write of the object does not fail the training."""

    def __init__(self, sc: SparkContext, bucket: Bucket, key: str):
        self.sc, self.bucket, self.key = sc, bucket, key
        self.name = ""
        self.counter: Callable[[], tuple[int, int]] = self._tasks
        self.last: tuple = ()
        self.began = time.monotonic()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self.thread.start()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report the block as the stage with this name."""
        self.enter(name)
        yield
        self._report()

    def enter(self, name: str) -> None:
        """Report a stage that ends with the next one."""
        with self.lock:
            self.name, self.counter = name, self._tasks
        self.sc.setJobGroup(name, f"recflow {name}")
        self._report()

    def watch(self, counter: Callable[[], tuple[int, int]]) -> None:
        """Report the result of counter, what is done and the total, until the stage ends."""
        with self.lock:
            self.counter = counter

    def count(self, done: int, total: int) -> None:
        """Report these numbers until they change or the stage ends."""
        self.watch(lambda: (done, total))

    def close(self) -> None:
        self.stop.set()
        self.thread.join(timeout=5)

    def _watch(self) -> None:
        # Stop when Spark fails: the main thread reports the error.
        with suppress(Py4JError, OSError):
            while not self.stop.wait(PERIOD):
                self._report()

    def _report(self) -> None:
        with self.lock:
            if not self.name:
                return
            done, total = self.counter()
            now = (self.name, done, total)
            if now == self.last:
                return
            self.last = now
            seconds = round(time.monotonic() - self.began, 1)
        line = json.dumps({"stage": now[0], "done": done, "total": total, "seconds": seconds})
        print(f"RECFLOW_PROGRESS {line}", file=sys.stdout, flush=True)
        with suppress(BotoCoreError, ClientError):
            self.bucket.put(self.key, line.encode())

    def _tasks(self) -> tuple[int, int]:
        """Return finished and known tasks. For a finished job only the tasks that ran count, because
        Spark skips stages whose output it still has."""
        tracker, done, total = self.sc.statusTracker(), 0, 0
        for job in tracker.getJobIdsForGroup(self.name):
            info = tracker.getJobInfo(job)
            for stage in info.stageIds if info else ():
                s = tracker.getStageInfo(stage)
                if s:
                    done += s.numCompletedTasks
                    total += s.numTasks if info.status == "RUNNING" else s.numCompletedTasks
        return done, total
