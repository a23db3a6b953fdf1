"""Lists the input, and packs many small objects into few files.

An import writes an object per day, so years of a small shop are thousands of objects
of a few kilobytes. Spark sends seven or eight requests for each of them (status,
footer, columns), which takes longer than the training. Packing fetches every object
once, in many threads, and appends its rows to one file per task. Spark reads large
objects directly.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from recflow_glue.formats import PACKERS, bad_line
from recflow_glue.storage import Bucket, Object, Scratch, write_scratch

SMALL_BYTES = 8 << 20  # mean object size below which objects are packed
FETCH_THREADS = 16  # of one task
GROUP_BYTES = 96 << 20  # of the objects that one task has in memory


@dataclass(frozen=True)
class Staged:
    """The packed files, and the objects that are not in the format."""

    paths: list[str]
    broken: list[tuple[str, str]]  # key and reason
    distinct: bool = False  # True if no event id repeats; False also if that was not checked


def list_days(bucket: Bucket, prefix: str, suffix: str, start: datetime | None, to: datetime | None) -> list[Object]:
    """Return the objects under dt= prefixes whose day overlaps [start, to)."""
    first = start.strftime("%Y-%m-%d") if start else ""
    last = (to - timedelta(microseconds=1)).strftime("%Y-%m-%d") if to else "9999"
    found = []
    for o in bucket.objects(prefix):
        day = re.search(r"/dt=(\d{4}-\d{2}-\d{2})/", o.key)
        if o.key.endswith(suffix) and (day is None or first <= day[1] <= last):
            found.append(o)
    return found


def bad_lines(bucket: Bucket, objects: list[Object], limit: int) -> list[tuple[str, str]]:
    """Return up to limit gzip objects with a line that is not an event, and the number of that
    line. Reads the objects again, so it is called only after Spark has found such a line."""
    found = []
    for o in objects:
        try:
            problem = bad_line(bucket.get(o.key))
        except ValueError:
            continue  # not gzip: reported by packing
        if problem:
            found.append((o.key, problem))
        if len(found) == limit:
            break
    return found


def worth_packing(objects: list[Object]) -> bool:
    return bool(objects) and sum(o.size for o in objects) < SMALL_BYTES * len(objects)


def pack(spark: SparkSession, bucket: Bucket, scratch: Scratch, kind: str, objects: list[Object]) -> Staged:
    """Pack the objects into few files of one kind ("interactions", "items", "lines"). A single
    group is packed on the driver, because a Python worker takes longer to start."""
    groups, location, name = split(objects), scratch.location(), bucket.name
    if len(groups) == 1:
        return pack_group(bucket, location, kind, groups[0])

    def work(part: Iterable[list[Object]]) -> Iterator[Staged]:
        for group in part:
            yield pack_group(Bucket(name), location, kind, group)

    done = spark.sparkContext.parallelize(groups, len(groups)).mapPartitions(work).collect()
    return Staged([p for s in done for p in s.paths], [b for s in done for b in s.broken])


def split(objects: list[Object]) -> list[list[Object]]:
    """Split the objects into groups of consecutive ones that fit in the memory of a task."""
    groups: list[list[Object]] = [[]]
    size = 0
    for o in objects:
        if groups[-1] and size + o.size > GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(o)
        size += o.size
    return groups


def pack_group(bucket: Bucket, location: tuple[str, str], kind: str, group: list[Object]) -> Staged:
    """Fetch a group and write it as one file. Each attempt of a task uses another name, and
    the driver reads only the file of the attempt that succeeded."""
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        fetched = list(pool.map(lambda o: (o, bucket.get(o.key)), group))
    packed = PACKERS[kind](fetched)
    if not packed.body:
        return Staged([], packed.broken)
    path = write_scratch(location, f"{kind}/{uuid.uuid4().hex}{packed.suffix}", packed.body)
    return Staged([path], packed.broken, packed.distinct)
