"""Reads item metadata. Of several rows for one item the one of the latest import is used. If there is a complete
catalog, an item whose latest row is older than it, or that has no row, is not available. The worker applies the same
rules to versions that exist (ApplyCatalog in internal/postgres/embeddings)."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from recflow_glue.staging import pack
from recflow_glue.storage import Bucket, Scratch

# Limits of the loader (docs/data.md, Limits).
MAX_TITLE_BYTES = 16_384
MAX_LABEL_BYTES = 1_024  # of a category and of each tag
MAX_TAGS = 1_024
COLUMNS = (
    "item_id string, title string, category string, tags array<string>, available boolean,"
    " replaces_before timestamp, written bigint, source string"
)


@dataclass(frozen=True)
class Metadata:
    """The latest row of each item, and whether an item without one is not available."""

    rows: DataFrame
    complete: bool


def read(spark: SparkSession, bucket: Bucket, scratch: Scratch) -> tuple[Metadata | None, list[tuple[str, str]]]:
    """Return the metadata of the items, or None, and the objects that could not be read."""
    objects = [o for o in bucket.objects("raw/items/") if o.key.endswith(".parquet")]
    if not objects:
        return None, []
    staged = pack(spark, bucket, scratch, "items", objects)
    if not staged.paths:
        return None, staged.broken
    rows = spark.read.schema(COLUMNS).parquet(*staged.paths)
    return latest(rows), staged.broken


def latest(rows: DataFrame) -> Metadata:
    """Use one row per item: the last written, then the last object key, then an unavailable one, then the first
    title."""
    replaced = rows.agg(F.max(F.unix_micros("replaces_before"))).first()[0]
    current = F.lit(True) if replaced is None else F.col("written") >= replaced
    order = (
        Window.partitionBy("item_id")
        .orderBy(F.desc("written"), F.desc("source"), F.coalesce("available", F.lit(True)), "title", "category")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    used = (
        rows.where(F.col("item_id").isNotNull())
        .withColumn("position", F.row_number().over(order))
        .where("position = 1")
        .select(
            "item_id",
            truncated("title"),
            label(F.col("category")).alias("category"),
            F.slice(F.filter("tags", lambda t: label(t).isNotNull()), 1, MAX_TAGS).alias("tags"),
            (F.coalesce("available", F.lit(True)) & current).alias("available"),
        )
    )
    return Metadata(used, replaced is not None)


def truncated(column: str) -> Column:
    """Return the text without zero bytes, truncated to the limit of a title. A code point has at most 4 bytes."""
    text = F.replace(F.col(column), F.lit("\0"), F.lit(""))
    short = F.when(F.octet_length(text) > MAX_TITLE_BYTES, F.substring(text, 1, MAX_TITLE_BYTES // 4)).otherwise(text)
    return short.alias(column)


def label(text: Column) -> Column:
    """Return a category or tag, or null if it cannot be loaded. A truncated label would be another label."""
    fits = (F.octet_length(text) <= MAX_LABEL_BYTES) & ~F.contains(text, F.lit("\0"))
    return F.when(fits, text)
