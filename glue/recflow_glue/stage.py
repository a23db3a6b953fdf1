"""Listing the input, and packing many small objects into few files.

A day of events is an object, so years of a small shop are thousands of objects
of a few kilobytes. Spark asks for each of them seven or eight times (status,
footer, columns), which costs more than the training. Here every object is
fetched once, by many threads, and its rows are appended to one file a task.
Objects large enough to be worth a read of their own are left where they are.
"""

import gzip
import io
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from recflow_glue.storage import Bucket, Object, Scratch, write_scratch

SMALL = 8 << 20  # mean object size from which Spark reads the objects itself
FETCHERS = 16  # objects one task fetches at once
GROUP = 96 << 20  # bytes of objects that one task holds in memory

INTERACTIONS = pa.schema(
    [
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("event_type", pa.string()),
        ("value", pa.float64()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
    ]
)
ITEMS = pa.schema(
    [
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("category", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("available", pa.bool_()),
    ]
)
REQUIRED = {"event_id", "user_id", "item_id", "event_type", "occurred_at"}


@dataclass(frozen=True)
class Staged:
    """What packing made: files for Spark, and the objects that are not what they should be."""

    paths: list[str]
    broken: list[tuple[str, str]]  # key, what is wrong with it


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


def worth_packing(objects: list[Object]) -> bool:
    return bool(objects) and sum(o.size for o in objects) < SMALL * len(objects)


def pack(spark: SparkSession, bucket: Bucket, scratch: Scratch, kind: str, objects: list[Object]) -> Staged:
    """Pack the objects into few files of one kind ("interactions", "items", "lines").
    What one task could hold is done here: a Python worker takes longer to start."""
    groups, location, name = split(objects), scratch.location(), bucket.name
    if len(groups) == 1:
        return Staged(*pack_group(bucket, location, kind, groups[0]))

    def work(part: Iterable[list[Object]]) -> Iterator[tuple[list[str], list[tuple[str, str]]]]:
        for group in part:
            yield pack_group(Bucket(name), location, kind, group)

    done = spark.sparkContext.parallelize(groups, len(groups)).mapPartitions(work).collect()
    return Staged([p for paths, _ in done for p in paths], [b for _, broken in done for b in broken])


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


Packer = Callable[[list[tuple[Object, bytes]]], tuple[str, bytes, list[tuple[str, str]]]]


def pack_group(
    bucket: Bucket, location: tuple[str, str], kind: str, group: list[Object]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Fetch a group and write it as one file. The name is new for each attempt of
    the task: the driver reads only what the finished attempt returns."""
    with ThreadPoolExecutor(FETCHERS) as pool:
        bodies = list(pool.map(lambda o: (o, bucket.get(o.key)), group))
    ending, body, broken = PACKERS[kind](bodies)
    if not body:
        return [], broken
    return [write_scratch(location, f"{kind}/{uuid.uuid4().hex}{ending}", body)], broken


def pack_interactions(bodies: list[tuple[Object, bytes]]):
    return pack_tables(bodies, INTERACTIONS, lambda o, t: t)


def pack_items(bodies: list[tuple[Object, bytes]]):
    """Items also carry when and where they were written, by which the latest wins."""

    def stamp(o: Object, table: pa.Table) -> pa.Table:
        written = pa.array([int(o.modified.timestamp() * 1e6)] * len(table), pa.int64())
        return table.append_column("written", written).append_column(
            "source", pa.array([o.key] * len(table), pa.string())
        )

    return pack_tables(bodies, ITEMS, stamp)


def pack_tables(bodies: list[tuple[Object, bytes]], schema: pa.Schema, finish: Callable[[Object, pa.Table], pa.Table]):
    tables, broken = [], []
    for o, body in bodies:
        try:
            tables.append(finish(o, conform(pq.ParquetFile(io.BytesIO(body)).read(), schema)))
        except (pa.ArrowException, ValueError, OSError) as e:
            broken.append((o.key, str(e).splitlines()[0][:200]))
    if not tables:
        return ".parquet", b"", broken
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), sink, compression="snappy")
    return ".parquet", sink.getvalue(), broken


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table's columns as declared; a missing optional one is null."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            if field.name in REQUIRED:
                raise ValueError(f"column {field.name} is missing")
            columns.append(pa.nulls(len(table), field.type))
            continue
        found = table.schema.field(field.name).type
        if not same_kind(found, field.type):
            raise ValueError(f"column {field.name} is {found}, want {field.type}")
        columns.append(table.column(field.name).cast(field.type))
    return pa.table(columns, schema=schema)


def same_kind(found: pa.DataType, want: pa.DataType) -> bool:
    """Whether found holds what want holds, perhaps narrower or in another unit."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(want):
        return (pa.types.is_list(found) or pa.types.is_large_list(found)) and same_kind(
            found.value_type, want.value_type
        )
    if pa.types.is_string(want):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    if pa.types.is_floating(want):
        return pa.types.is_floating(found) or pa.types.is_integer(found)
    if pa.types.is_timestamp(want):
        return pa.types.is_timestamp(found)
    return found == want


def pack_lines(bodies: list[tuple[Object, bytes]]):
    lines, broken = [], []
    for o, body in bodies:
        try:
            text = gzip.decompress(body) if o.key.endswith(".gz") else body
        except (OSError, EOFError) as e:
            broken.append((o.key, str(e)))
            continue
        lines.append(text.rstrip(b"\n"))
    return ".json", b"\n".join(lines), broken


PACKERS: dict[str, Packer] = {"interactions": pack_interactions, "items": pack_items, "lines": pack_lines}
