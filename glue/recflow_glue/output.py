"""Writes the Parquet files of a run into a folder of the attempt.

The folder separates the files from those of another job with the same run id, and of
a retry. Spark's committer excludes the output of a task that failed halfway. The
manifest lists the files that exist after the commit.
"""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import SparkContext
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recflow_glue.items import Metadata
from recflow_glue.storage import Bucket

FILE_BYTES = 64 << 20  # approximate size of a file
HOLDOUT_ROW_BYTES = 60
MIN_FILES = 2  # so that even a small version loads in parallel
DRIVER_FILES = 8  # read on the driver for their digests

HOLDOUT = [
    *(pa.field(c, pa.string(), nullable=False) for c in ("user_id", "event_id", "item_id", "event_type")),
    pa.field("value", pa.float64()),
    pa.field("occurred_at", pa.timestamp("us", "UTC"), nullable=False),
    pa.field("answer", pa.bool_(), nullable=False),
]


@dataclass(frozen=True)
class File:
    """One committed file; an entry of the manifest's `files`."""

    kind: str
    key: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Destination:
    """Where one attempt of a run writes."""

    bucket: Bucket
    prefix: str  # of the run, with a final slash
    attempt: str

    def folder(self, kind: str) -> str:
        return f"{self.prefix}{kind}/attempt={self.attempt}/"


class WriteIncomplete(RuntimeError):
    """The committed files do not match the rows that were written."""


def required(column: str, kind: str) -> Column:
    """Return the column with the Parquet type `required`, which Spark derives from the
    expression. The checks reject nulls before, so the default is never used."""
    zero = {
        "string": F.lit(""),
        "double": F.lit(0.0),
        "boolean": F.lit(False),
        "timestamp": F.timestamp_micros(F.lit(0)),
    }
    if kind in zero:
        return F.coalesce(F.col(column), zero[kind]).alias(column)
    element = {"strings": F.lit(""), "floats": F.lit(0.0).cast("float")}[kind]
    return F.coalesce(non_null_elements(column, element), F.array_except(F.array(element), F.array(element))).alias(
        column
    )


def non_null_elements(column: str, element: Column) -> Column:
    """Return a list column whose elements are never null. The list itself may be null."""
    return F.transform(column, lambda x: F.coalesce(x, element))


def item_rows(items: DataFrame, factors: DataFrame, metadata: Metadata | None) -> DataFrame:
    """Return the rows of the items files. items has item (int), item_id and popularity, factors item and
    embedding. An item without metadata has no title, and is available unless a catalog is complete."""
    rows = items.join(factors, "item")
    if metadata is None:
        missing = {"title": "string", "category": "string", "tags": "array<string>", "available": "boolean"}
        rows = rows.select("*", *(F.lit(None).cast(t).alias(c) for c, t in missing.items()))
    else:
        rows = rows.join(metadata.rows, "item_id", "left")
    return rows.select(
        required("item_id", "string"),
        F.coalesce("embedding", F.array(F.lit(0.0).cast("float"))).alias("embedding"),
        "title",
        "category",
        "tags",
        F.coalesce("available", F.lit(metadata is None or not metadata.complete)).alias("available"),
        required("popularity", "double"),
    )


def user_rows(users: DataFrame, vectors: DataFrame) -> DataFrame:
    """Return the rows of the users files. vectors has user (int) and embedding (array<float>). A
    user without a vector gets null."""
    return users.join(vectors, "user", "left").select(
        required("user_id", "string"),
        non_null_elements("embedding", F.lit(0.0).cast("float")).alias("embedding"),
        required("history_items", "strings"),
        required("history_weights", "floats"),
        "reference_time",
        required("seen_items", "strings"),
    )


def file_count(rows: int, row_bytes: int) -> int:
    return max(MIN_FILES, min(2000, -(-rows * row_bytes // FILE_BYTES)))


def write(df: DataFrame, destination: Destination, kind: str, by: str, files: int) -> list[File]:
    """Write the rows into about this number of files and return the files that are not empty."""
    folder = destination.folder(kind)
    df.repartition(files, by).sortWithinPartitions(by).write.mode("error").parquet(destination.bucket.uri(folder))
    return committed_files(df.sparkSession.sparkContext, destination.bucket, folder, kind)


def committed_files(sc: SparkContext, bucket: Bucket, folder: str, kind: str) -> list[File]:
    """Return the files of a complete write. Spark writes _SUCCESS last."""
    found = bucket.objects(folder)
    if not any(o.key == folder + "_SUCCESS" for o in found):
        raise WriteIncomplete(f"write of {kind} is incomplete: {folder} has no _SUCCESS")
    keys = [o.key for o in found if o.key.endswith(".parquet") and "/_temporary/" not in o.key]
    return [f for f in describe_all(sc, bucket, kind, keys) if f.rows > 0]


def describe_all(sc: SparkContext, bucket: Bucket, kind: str, keys: list[str]) -> list[File]:
    """Describe the files, which are read for their digests: few on the driver, because a Python worker
    takes longer to start, and many in tasks."""
    if len(keys) <= DRIVER_FILES:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda key: describe(bucket, kind, key), keys))
    name = bucket.name
    return sc.parallelize(keys, len(keys)).map(lambda key: describe(Bucket(name), kind, key)).collect()


def describe(bucket: Bucket, kind: str, key: str) -> File:
    body = bucket.get(key)
    rows = pq.ParquetFile(io.BytesIO(body)).metadata.num_rows
    return File(kind, key, len(body), hashlib.sha256(body).hexdigest(), rows)


def write_holdout(split: pa.Table, destination: Destination) -> list[File]:
    """Write the hold-out's events without repeats, which are on the driver in user order."""
    schema = pa.schema(HOLDOUT)
    table = split.filter(pc.invert(split["repeat"])).select(schema.names).cast(schema)
    rows = -(-len(table) // file_count(len(table), HOLDOUT_ROW_BYTES))
    files = []
    for n, start in enumerate(range(0, len(table), max(1, rows))):
        sink = io.BytesIO()
        pq.write_table(table.slice(start, rows), sink, row_group_size=1 << 17, store_schema=False)
        key = f"{destination.folder('holdout')}part-{n:05}.parquet"
        destination.bucket.put(key, sink.getvalue())
        files.append(describe(destination.bucket, "holdout", key))
    return files


def require_rows(files: list[File], rows: int) -> list[File]:
    """Return the files. Raises WriteIncomplete if they do not have the expected number of rows."""
    got = sum(f.rows for f in files)
    if got != rows:
        kind = files[0].kind if files else "no"
        raise WriteIncomplete(f"{kind} files have {got} rows, want {rows}")
    return files
