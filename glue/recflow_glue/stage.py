"""Listing the input, and packing many small objects into few files.

A day of events is an object, so years of a small shop are thousands of objects
of a few kilobytes. Spark asks for each of them seven or eight times (status,
footer, columns), which costs more than the training. Here every object is
fetched once, by many threads, and its rows are appended to one file a task.
Objects large enough to be worth a read of their own are left where they are.
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

SMALL = 8 << 20  # mean object size from which Spark reads the objects itself
FETCHERS = 16  # objects one task fetches at once
GROUP = 96 << 20  # bytes of objects that one task holds in memory


@dataclass(frozen=True)
class Staged:
    """What packing made: files for Spark, and the objects that are not what they should be."""

    paths: list[str]
    broken: list[tuple[str, str]]  # key, what is wrong with it
    distinct: bool = False  # no event id occurs twice; False when that was not looked at


def list_days(bucket: Bucket, prefix: str, suffix: str, start: datetime | None, to: datetime | None) -> list[Object]:
    """The objects under dt= prefixes whose day touches [start, to)."""
    first = start.strftime("%Y-%m-%d") if start else ""
    last = (to - timedelta(microseconds=1)).strftime("%Y-%m-%d") if to else "9999"
    found = []
    for o in bucket.objects(prefix):
        day = re.search(r"/dt=(\d{4}-\d{2}-\d{2})/", o.key)
        if o.key.endswith(suffix) and (day is None or first <= day[1] <= last):
            found.append(o)
    return found


def bad_lines(bucket: Bucket, objects: list[Object], most: int) -> list[tuple[str, str]]:
    """Up to so many of the gzip objects that have a line which is no event, and which line that is.
    Reads them again: only asked for when packing or Spark met such a line."""
    found = []
    for o in objects:
        try:
            what = bad_line(bucket.get(o.key))
        except ValueError:
            continue  # not gzip: named while packing
        if what:
            found.append((o.key, what))
        if len(found) == most:
            break
    return found


def worth_packing(objects: list[Object]) -> bool:
    return bool(objects) and sum(o.size for o in objects) < SMALL * len(objects)


def pack(spark: SparkSession, bucket: Bucket, scratch: Scratch, kind: str, objects: list[Object]) -> Staged:
    """Pack the objects into few files of one kind ("interactions", "items", "lines").
    What one task could hold is done here: a Python worker takes longer to start."""
    groups, location, name = split(objects), scratch.location(), bucket.name
    if len(groups) == 1:
        return pack_group(bucket, location, kind, groups[0])

    def work(part: Iterable[list[Object]]) -> Iterator[Staged]:
        for group in part:
            yield pack_group(Bucket(name), location, kind, group)

    done = spark.sparkContext.parallelize(groups, len(groups)).mapPartitions(work).collect()
    return Staged([p for s in done for p in s.paths], [b for s in done for b in s.broken])


def split(objects: list[Object]) -> list[list[Object]]:
    """Groups of neighbours that a task can hold."""
    groups: list[list[Object]] = [[]]
    held = 0
    for o in objects:
        if groups[-1] and held + o.size > GROUP:
            groups.append([])
            held = 0
        groups[-1].append(o)
        held += o.size
    return groups


def pack_group(bucket: Bucket, location: tuple[str, str], kind: str, group: list[Object]) -> Staged:
    """Fetch a group and write it as one file. The name is new for each attempt of
    the task: the driver reads only what the finished attempt returns."""
    with ThreadPoolExecutor(FETCHERS) as pool:
        fetched = list(pool.map(lambda o: (o, bucket.get(o.key)), group))
    packed = PACKERS[kind](fetched)
    if not packed.body:
        return Staged([], packed.broken)
    path = write_scratch(location, f"{kind}/{uuid.uuid4().hex}{packed.ending}", packed.body)
    return Staged([path], packed.broken, packed.distinct)
