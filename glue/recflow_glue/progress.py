"""Reports progress as a line in the log and a small object in S3.

The numbers are the finished and known Spark tasks of the stage's jobs. For training
they are iterations, derived from the finished jobs of implicit ALS.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark import SparkContext

from recflow_glue.storage import Bucket
from recflow_glue.train import CHECKPOINT_EVERY

PERIOD = 1.0  # seconds between two reports
SETUP_JOBS = 3  # jobs of a training before its first iteration


class Progress:
    """Reports the running stage from another thread until closed. Best effort: a failed
    write of the object does not fail the training."""

    def __init__(self, sc: SparkContext, bucket: Bucket, key: str):
        self.sc, self.bucket, self.key = sc, bucket, key
        self.name, self.iterations = "", 0
        self.last: tuple = ()
        self.began = time.monotonic()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self.thread.start()

    @contextmanager
    def stage(self, name: str, iterations: int = 0) -> Iterator[None]:
        """Report the block as the stage with this name. With iterations, count those instead of tasks."""
        with self.lock:
            self.name, self.iterations = name, iterations
        self.sc.setJobGroup(name, f"recflow {name}")
        self._report()
        yield
        self._report()

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
            done, total = self._iterations() if self.iterations else self._tasks()
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

    def _iterations(self) -> tuple[int, int]:
        tracker, finished = self.sc.statusTracker(), 0
        for job in tracker.getJobIdsForGroup(self.name):
            info = tracker.getJobInfo(job)
            finished += bool(info and info.status == "SUCCEEDED")
        return min(self.iterations, iteration_at(finished)), self.iterations


def iteration_at(jobs: int) -> int:
    """Return the current iteration after this number of finished jobs of a training. Implicit
    ALS runs one job, for VᵀV or UᵀU, before each half iteration, and one per checkpoint."""
    if jobs < SETUP_JOBS:
        return 0
    rounds, rest = divmod(jobs - SETUP_JOBS, 2 * CHECKPOINT_EVERY + 1)
    return rounds * CHECKPOINT_EVERY + min(rest // 2 + 1, CHECKPOINT_EVERY)
