"""Item metadata: of several rows for one item the most recently written file wins."""

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from recflow_glue.stage import pack
from recflow_glue.storage import Bucket, Scratch

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
        .select("item_id", "title", "category", "tags", F.coalesce("available", F.lit(True)).alias("available"))
    )
