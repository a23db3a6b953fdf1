"""The formats of the input, and how objects of one format become one file."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recflow_glue.storage import Object

ROW_GROUP = 1 << 17  # rows; small enough for every core to read a part of one file

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


Fetched = list[tuple[Object, bytes]]


@dataclass(frozen=True)
class Packed:
    """Objects as one file, and what was found on the way."""

    ending: str  # of the file's name
    body: bytes  # empty when nothing could be read
    broken: list[tuple[str, str]] = field(default_factory=list)  # key, what is wrong with it
    distinct: bool = False  # no event id occurs twice; False when that was not looked at


def pack_interactions(fetched: Fetched) -> Packed:
    table, broken = read_tables(fetched, INTERACTIONS, lambda o, t: t)
    distinct = table is None or pc.count_distinct(table["event_id"]).as_py() == len(table)
    return Packed(".parquet", parquet(table), broken, distinct)


def pack_items(fetched: Fetched) -> Packed:
    """Items also carry when and where they were written, by which the latest wins."""

    def stamp(o: Object, table: pa.Table) -> pa.Table:
        written = pa.array([int(o.modified.timestamp() * 1e6)] * len(table), pa.int64())
        source = pa.array([o.key] * len(table), pa.string())
        return table.append_column("written", written).append_column("source", source)

    table, broken = read_tables(fetched, ITEMS, stamp)
    return Packed(".parquet", parquet(table), broken)


def pack_lines(fetched: Fetched) -> Packed:
    lines, broken = [], []
    for o, body in fetched:
        try:
            text = gzip.decompress(body) if o.key.endswith(".gz") else body
        except (OSError, EOFError) as e:
            broken.append((o.key, str(e)))
            continue
        lines.append(text.rstrip(b"\n"))
    return Packed(".json", b"\n".join(lines), broken)


PACKERS: dict[str, Callable[[Fetched], Packed]] = {
    "interactions": pack_interactions,
    "items": pack_items,
    "lines": pack_lines,
}


def read_tables(
    fetched: Fetched, schema: pa.Schema, finish: Callable[[Object, pa.Table], pa.Table]
) -> tuple[pa.Table | None, list[tuple[str, str]]]:
    """The rows of the Parquet objects in one table, and the objects that are not in the format."""
    tables, broken = [], []
    for o, body in fetched:
        try:
            tables.append(finish(o, conform(pq.ParquetFile(io.BytesIO(body)).read(), schema)))
        except (pa.ArrowException, ValueError, OSError) as e:
            broken.append((o.key, str(e).splitlines()[0][:200]))
    return (pa.concat_tables(tables) if tables else None), broken


def parquet(table: pa.Table | None) -> bytes:
    if table is None:
        return b""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="snappy", row_group_size=ROW_GROUP)
    return sink.getvalue()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table's columns as declared; a missing optional one is null."""
    columns = []
    for want in schema:
        if want.name not in table.column_names:
            if want.name in REQUIRED:
                raise ValueError(f"column {want.name} is missing")
            columns.append(pa.nulls(len(table), want.type))
            continue
        found = table.schema.field(want.name).type
        if not same_kind(found, want.type):
            raise ValueError(f"column {want.name} is {found}, want {want.type}")
        columns.append(table.column(want.name).cast(want.type))
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
