"""Writing a run: Parquet under a folder of this attempt, then the manifest.

A folder of its own keeps the files of a second job with the same run id, or
of a retried one, apart; Spark's committer keeps a task that died halfway out
of it. The manifest lists what was found there after the commit.
"""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recflow_glue.storage import Bucket

FILE_BYTES = 64 << 20  # about how large a file should be
HOLDOUT_ROW_BYTES = 60
LEAST_FILES = 2  # so that even a small version loads in parallel

HOLDOUT = [
    *(pa.field(c, pa.string(), nullable=False) for c in ("user_id", "event_id", "item_id", "event_type")),
    pa.field("value", pa.float64()),
    pa.field("occurred_at", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("answer", pa.bool_(), nullable=False),
]


@dataclass(frozen=True)
class File:
    """One committed file; the manifest's `files` entry."""

    kind: str
    key: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Place:
    """Where one attempt at a run writes."""

    bucket: Bucket
    prefix: str  # of the run, with a final slash
    attempt: str

    def folder(self, kind: str) -> str:
        return f"{self.prefix}{kind}/attempt={self.attempt}/"


class WriteIncomplete(RuntimeError):
    """What was committed is not what was written."""


def required(column: str, kind: str) -> Column:
    """The column as Parquet `required`. Spark derives that from the expression;
    nulls were refused long before, so the default never shows."""
    zero = {
        "string": F.lit(""),
        "double": F.lit(0.0),
        "boolean": F.lit(False),
        "timestamp": F.timestamp_micros(F.lit(0)),
    }
    if kind in zero:
        return F.coalesce(F.col(column), zero[kind]).alias(column)
    element = {"strings": F.lit(""), "floats": F.lit(0.0).cast("float")}[kind]
    return F.coalesce(solid(column, element), F.array_except(F.array(element), F.array(element))).alias(column)


def solid(column: str, element: Column) -> Column:
    """A list whose elements are never null; the list itself may be."""
    return F.transform(column, lambda x: F.coalesce(x, element))


def item_rows(items: DataFrame, factors: DataFrame, metadata: DataFrame | None) -> DataFrame:
    """items: item int, item_id, popularity. An item without metadata is available and has no title."""
    vectors = factors.select(F.col("id").alias("item"), F.col("features").alias("embedding"))
    rows = items.join(vectors, "item")
    if metadata is None:
        nothing = {"title": "string", "category": "string", "tags": "array<string>", "available": "boolean"}
        rows = rows.select("*", *(F.lit(None).cast(t).alias(c) for c, t in nothing.items()))
    else:
        rows = rows.join(metadata, "item_id", "left")
    return rows.select(
        required("item_id", "string"),
        F.coalesce("embedding", F.array(F.lit(0.0).cast("float"))).alias("embedding"),  # MLlib's lists hold no nulls
        "title",
        "category",
        "tags",
        F.coalesce("available", F.lit(True)).alias("available"),
        required("popularity", "double"),
    )


def user_rows(users: DataFrame, vectors: DataFrame) -> DataFrame:
    """vectors: user int, embedding array<float>; a user without one gets null."""
    return users.join(vectors, "user", "left").select(
        required("user_id", "string"),
        solid("embedding", F.lit(0.0).cast("float")).alias("embedding"),
        required("history_items", "strings"),
        required("history_weights", "floats"),
        "reference_time",
        required("seen_items", "strings"),
    )


def files_for(rows: int, row_bytes: int) -> int:
    return max(LEAST_FILES, min(2000, -(-rows * row_bytes // FILE_BYTES)))


def write(df: DataFrame, place: Place, kind: str, by: str, files: int) -> list[File]:
    """Write the rows into about so many files and return those that hold any."""
    folder = place.folder(kind)
    df.repartition(files, by).sortWithinPartitions(by).write.mode("error").parquet(place.bucket.uri(folder))
    return committed(place.bucket, folder, kind)


def committed(bucket: Bucket, folder: str, kind: str) -> list[File]:
    """The files of a finished write. Spark puts _SUCCESS last."""
    found = bucket.objects(folder)
    if not any(o.key == folder + "_SUCCESS" for o in found):
        raise WriteIncomplete(f"{folder} has no _SUCCESS")
    keys = [o.key for o in found if o.key.endswith(".parquet") and "/_temporary/" not in o.key]
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda key: describe(bucket, kind, key), keys))
    return [f for f in files if f.rows > 0]


def describe(bucket: Bucket, kind: str, key: str) -> File:
    body = bucket.get(key)
    rows = pq.ParquetFile(io.BytesIO(body)).metadata.num_rows
    return File(kind, key, len(body), hashlib.sha256(body).hexdigest(), rows)


def write_holdout(split: pa.Table, place: Place) -> list[File]:
    """Write the hold-out's events, already in user order, from the driver, which has them."""
    schema = pa.schema(HOLDOUT)
    table = split.select(schema.names).cast(schema)
    rows = -(-len(table) // files_for(len(table), HOLDOUT_ROW_BYTES))
    files = []
    for n, start in enumerate(range(0, len(table), max(1, rows))):
        sink = io.BytesIO()
        pq.write_table(table.slice(start, rows), sink, row_group_size=1 << 17, store_schema=False)
        key = f"{place.folder('holdout')}part-{n:05}.parquet"
        place.bucket.put(key, sink.getvalue())
        files.append(describe(place.bucket, "holdout", key))
    return files


def expect_rows(files: list[File], rows: int) -> list[File]:
    """The files, if they hold as many rows as they should."""
    got = sum(f.rows for f in files)
    if got != rows:
        kind = files[0].kind if files else "no"
        raise WriteIncomplete(f"{kind} files hold {got} rows, want {rows}")
    return files
