"""Numbers users and items, and builds the matrix of their weights.

The numbered ids and the matrix are written once and read back. If a retried stage
recomputed them, MLlib could get a different input, for which Spark fails the job
(SPARK-28927).
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue.storage import Scratch

ROW_BITS = 33  # of monotonically_increasing_id; the bits above are the partition
MAX_IDS = 2**31 - 1


def materialize(df: DataFrame, scratch: Scratch, name: str) -> DataFrame:
    """Write a DataFrame to the scratch space and read it back."""
    uri = scratch.uri(name)
    df.write.mode("error").parquet(uri)
    return df.sparkSession.read.schema(df.schema).parquet(uri)


def numbered(df: DataFrame, scratch: Scratch, name: str, by: str, number: str) -> tuple[DataFrame, int]:
    """Add a dense integer column, and return the materialized rows and their number."""
    sorted_ = df.sortWithinPartitions(by).withColumn("row", F.monotonically_increasing_id())
    written = materialize(sorted_, scratch, name)
    part, row = F.shiftright("row", ROW_BITS), F.col("row").bitwiseAND((1 << ROW_BITS) - 1)
    sizes = written.groupBy(part.alias("part")).agg(F.count("*").alias("rows")).collect()
    offsets, n = [], 0
    for s in sorted(sizes, key=lambda s: s["part"]):
        offsets += [F.lit(s["part"]), F.lit(n)]
        n += s["rows"]
    if n > MAX_IDS:
        raise ValueError(f"{name} has {n} rows; MLlib accepts at most {MAX_IDS} ids")
    dense = F.create_map(*offsets)[part] + row if offsets else row
    return written.withColumn(number, dense.cast("int")).drop("row"), n


def pairs(users: DataFrame, items: DataFrame) -> DataFrame:
    """Return the matrix: the positive weights of the users outside the hold-out, as user (int), item
    (int) and weight (float)."""
    liked = (
        users.where(~F.col("holdout"))
        .select("user", F.explode(F.arrays_zip("history_items", "history_weights")).alias("h"))
        .select("user", F.col("h.history_items").alias("item_id"), F.col("h.history_weights").alias("weight"))
    )
    return liked.join(items.select("item_id", "item"), "item_id").select("user", "item", "weight")


def item_counts(users: DataFrame) -> DataFrame:
    """Return the items with a positive weight, with the number of all users (popularity) and of
    trained users who like them."""
    liked = users.select("holdout", F.explode("history_items").alias("item_id"))
    return liked.groupBy("item_id").agg(
        F.count("*").cast("double").alias("popularity"), F.sum((~F.col("holdout")).cast("long")).alias("trained")
    )
