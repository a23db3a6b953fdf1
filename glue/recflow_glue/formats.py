"""The formats of the input, and functions that pack objects of one format into one file."""

import gzip
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recflow_glue.storage import Object

ROW_GROUP = 1 << 17  # rows; small enough for every core to read a part of one file
BATCH_ROWS = 1 << 16  # rows of an object that are read at once
MAX_UNPACKED = 512 << 20  # bytes of one packed object; Firehose delivers at most 128 MiB before compression
TOO_LARGE = f"the object is larger than {MAX_UNPACKED >> 20} MiB when unpacked; split it"

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
        ("imported_at", pa.timestamp("us", tz="UTC")),
        ("replaces_before", pa.timestamp("us", tz="UTC")),
    ]
)
REQUIRED = {"event_id", "user_id", "item_id", "event_type", "occurred_at"}


Fetched = list[tuple[Object, bytes]]


@dataclass(frozen=True)
class Packed:
    """The content of several objects as one file, and the objects that are not in the format."""

    suffix: str  # of the file name
    body: bytes  # empty when nothing could be read
    broken: list[tuple[str, str]] = field(default_factory=list)  # key and reason
    distinct: bool = False  # True if no event id repeats; False also if that was not checked


def pack_interactions(fetched: Fetched) -> Packed:
    table, broken = read_tables(fetched, INTERACTIONS, lambda o, t: t)
    distinct = table is None or pc.count_distinct(table["event_id"]).as_py() == len(table)
    return Packed(".parquet", parquet(table), broken, distinct)


def pack_items(fetched: Fetched) -> Packed:
    """Pack items. Adds the columns `written` (microseconds since 1970: imported_at, or when the object was
    written) and `source`, by which the latest row of an item is found."""

    def stamp(o: Object, table: pa.Table) -> pa.Table:
        modified = pa.scalar(int(o.modified.timestamp() * 1e6), pa.int64())
        written = pc.coalesce(table["imported_at"].cast(pa.int64()), modified)
        source = pa.array([o.key] * len(table), pa.string())
        return table.append_column("written", written).append_column("source", source)

    table, broken = read_tables(fetched, ITEMS, stamp)
    return Packed(".parquet", parquet(table), broken)


def pack_lines(fetched: Fetched) -> Packed:
    """Pack the JSON lines of objects, each of which has one or more gzip members."""
    lines, broken = [], []
    for o, body in fetched:
        try:
            lines.append(decompress(body).rstrip(b"\n"))
        except ValueError as e:
            broken.append((o.key, str(e)))
    return Packed(".json", b"\n".join(filter(None, lines)), broken)


def decompress(body: bytes) -> bytes:
    """Return the text of a gzip object. Raises ValueError if the object is incomplete, invalid or larger
    than MAX_UNPACKED."""
    if not body:
        raise ValueError("the object is empty")
    try:
        text = gzip.GzipFile(fileobj=io.BytesIO(body)).read(MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as e:
        raise ValueError(str(e)) from e
    if len(text) > MAX_UNPACKED:
        raise ValueError(TOO_LARGE)
    return text


def bad_line(body: bytes) -> str:
    """Return a message with the number of the first line that Spark cannot read as an event,
    or an empty text. The message does not quote the line, which may contain a user id."""
    for n, line in enumerate(decompress(body).split(b"\n"), 1):
        if line.strip() and not is_event(line):
            return f"line {n} is not an event"
    return ""


def is_event(line: bytes) -> bool:
    try:
        e = json.loads(line)
    except ValueError:
        return False
    return isinstance(e, dict) and isinstance(e.get("value", 0.0), int | float | None)


PACKERS: dict[str, Callable[[Fetched], Packed]] = {
    "interactions": pack_interactions,
    "items": pack_items,
    "lines": pack_lines,
}


def read_tables(
    fetched: Fetched, schema: pa.Schema, finish: Callable[[Object, pa.Table], pa.Table]
) -> tuple[pa.Table | None, list[tuple[str, str]]]:
    """Return the rows of the Parquet objects as one table, and the objects that are not in the format."""
    tables, broken = [], []
    for o, body in fetched:
        try:
            tables.append(finish(o, conform(read_table(body), schema)))
        except (pa.ArrowException, ValueError, OSError) as e:
            broken.append((o.key, str(e).splitlines()[0][:200]))
    return (pa.concat_tables(tables) if tables else None), broken


def read_table(body: bytes) -> pa.Table:
    """Read a Parquet object in batches. Raises ValueError if it is larger than MAX_UNPACKED: a dictionary
    makes many rows of few bytes."""
    file, batches, size = pq.ParquetFile(io.BytesIO(body)), [], 0
    for batch in file.iter_batches(BATCH_ROWS):
        size += batch.nbytes
        if size > MAX_UNPACKED:
            raise ValueError(TOO_LARGE)
        batches.append(batch)
    return pa.Table.from_batches(batches, file.schema_arrow)


def parquet(table: pa.Table | None) -> bytes:
    if table is None:
        return b""
    sink = io.BytesIO()
    # Event ids rarely repeat, so a dictionary of them would not save space.
    repeating = [c for c in table.column_names if c != "event_id"]
    pq.write_table(table, sink, compression="snappy", row_group_size=ROW_GROUP, use_dictionary=repeating)
    return sink.getvalue()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with the columns of the schema. A missing optional column is null."""
    columns = []
    for want in schema:
        if want.name not in table.column_names:
            if want.name in REQUIRED:
                raise ValueError(f"column {want.name} is missing")
            columns.append(pa.nulls(len(table), want.type))
            continue
        found = table.schema.field(want.name).type
        if not compatible(found, want.type):
            raise ValueError(f"column {want.name} is {found}, want {want.type}")
        columns.append(table.column(want.name).cast(want.type))
    return pa.table(columns, schema=schema)


def compatible(found: pa.DataType, want: pa.DataType) -> bool:
    """Report whether found can be cast to want: the same kind, of any width or unit."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(want):
        return (pa.types.is_list(found) or pa.types.is_large_list(found)) and compatible(
            found.value_type, want.value_type
        )
    if pa.types.is_string(want):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    if pa.types.is_floating(want):
        return pa.types.is_floating(found) or pa.types.is_integer(found)
    if pa.types.is_timestamp(want):
        return pa.types.is_timestamp(found)
    return found == want
