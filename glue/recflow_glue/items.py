"""Item metadata: of several rows for one item the most recently written file wins."""

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from recflow_glue.stage import pack
from recflow_glue.storage import Bucket, Scratch

# What the loader accepts (docs/data.md, Limits).
MOST_TITLE = 16_384  # bytes
MOST_LABEL = 1_024  # bytes, of a category and of each tag
MOST_TAGS = 1_024
COLUMNS = "item_id string, title string, category string, tags array<string>, available boolean"


def read(spark: SparkSession, bucket: Bucket, scratch: Scratch) -> tuple[DataFrame | None, list[tuple[str, str]]]:
    """The latest metadata of each item, if there is any, and the objects that could not be read."""
    objects = [o for o in bucket.objects("raw/items/") if o.key.endswith(".parquet")]
    if not objects:
        return None, []
    staged = pack(spark, bucket, scratch, "items", objects)
    if not staged.paths:
        return None, staged.broken
    rows = spark.read.schema(COLUMNS + ", written bigint, source string").parquet(*staged.paths)
    return latest(rows), staged.broken


def latest(rows: DataFrame) -> DataFrame:
    """One row per item: last written, then the last object key, then the first title."""
    order = (
        Window.partitionBy("item_id")
        .orderBy(F.desc("written"), F.desc("source"), "title", "category")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return (
        rows.where(F.col("item_id").isNotNull())
        .withColumn("turn", F.row_number().over(order))
        .where("turn = 1")
        .select(
            "item_id",
            shortened("title"),
            label(F.col("category")).alias("category"),
            F.slice(F.filter("tags", lambda t: label(t).isNotNull()), 1, MOST_TAGS).alias("tags"),
            F.coalesce("available", F.lit(True)).alias("available"),
        )
    )


def shortened(column: str) -> Column:
    """The text without zero bytes and no longer than a title may be; a code point has at most 4 bytes."""
    text = F.replace(F.col(column), F.lit("\0"), F.lit(""))
    short = F.when(F.octet_length(text) > MOST_TITLE, F.substring(text, 1, MOST_TITLE // 4)).otherwise(text)
    return short.alias(column)


def label(text: Column) -> Column:
    """A category or tag that can be loaded, or null: half a label would be another one."""
    fits = (F.octet_length(text) <= MOST_LABEL) & ~F.contains(text, F.lit("\0"))
    return F.when(fits, text)
