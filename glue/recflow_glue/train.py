"""Dictionaries, the matrix and the fit.

ALS wants integers. Ids become dense integers once, are written and read back;
so is the matrix: recomputing either while a stage is retried could hand ALS
another input than before, which Spark answers by failing the job (SPARK-28927).
"""

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue.arguments import Config
from recflow_glue.storage import Scratch

ROW_BITS = 33  # monotonically_increasing_id: partition above, row in it below
MOST_IDS = 2**31 - 1

# Iterations between two checkpoints. Each iteration makes the lineage of the factors
# longer, every task carries all of it, and Java reads it recursively: after about 15
# iterations a stack of 1 MB, which is Java's default, overflows and the JVM ends.
CHECKPOINT_EVERY = 5


def keep(df: DataFrame, scratch: Scratch, name: str) -> DataFrame:
    """Write a DataFrame to the scratch space and read it back."""
    uri = scratch.uri(name)
    df.write.mode("error").parquet(uri)
    return df.sparkSession.read.schema(df.schema).parquet(uri)


def numbered(df: DataFrame, scratch: Scratch, name: str, by: str, number: str) -> tuple[DataFrame, int]:
    """The rows with a dense integer column, written and read back, and their count."""
    sorted_ = df.sortWithinPartitions(by).withColumn("row", F.monotonically_increasing_id())
    kept = keep(sorted_, scratch, name)
    part, row = F.shiftright("row", ROW_BITS), F.col("row").bitwiseAND((1 << ROW_BITS) - 1)
    sizes = kept.groupBy(part.alias("part")).agg(F.count("*").alias("rows")).collect()
    offsets, n = [], 0
    for s in sorted(sizes, key=lambda s: s["part"]):
        offsets += [F.lit(s["part"]), F.lit(n)]
        n += s["rows"]
    if n > MOST_IDS:
        raise ValueError(f"{n} rows of {name}: MLlib numbers at most {MOST_IDS}")
    dense = F.create_map(*offsets)[part] + row if offsets else row
    return kept.withColumn(number, dense.cast("int")).drop("row"), n


def pairs(users: DataFrame, items: DataFrame) -> DataFrame:
    """user int, item int, weight float: the positive weights of the users that are not held out."""
    liked = (
        users.where(~F.col("holdout"))
        .select("user", F.explode(F.arrays_zip("history_items", "history_weights")).alias("h"))
        .select("user", F.col("h.history_items").alias("item_id"), F.col("h.history_weights").alias("weight"))
    )
    return liked.join(items.select("item_id", "item"), "item_id").select("user", "item", "weight")


def item_counts(users: DataFrame) -> DataFrame:
    """The items with a positive weight, and how many users like them: all (popularity) and those trained on."""
    liked = users.select("holdout", F.explode("history_items").alias("item_id"))
    return liked.groupBy("item_id").agg(
        F.count("*").cast("double").alias("popularity"), F.sum((~F.col("holdout")).cast("long")).alias("trained")
    )


def fit(pairs: DataFrame, config: Config) -> ALSModel:
    """Implicit ALS: confidence 1 + α·w, preference 1 for w > 0, regularisation λ·n.
    More than about 15 iterations need a checkpoint directory, which the caller sets and removes."""
    blocks = blocks_for(pairs)
    als = ALS(
        rank=config.rank,
        maxIter=config.iterations,
        regParam=config.regularization,
        alpha=config.alpha,
        implicitPrefs=True,
        seed=config.seed,
        checkpointInterval=CHECKPOINT_EVERY,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol="user",
        itemCol="item",
        ratingCol="weight",
    )
    return als.fit(pairs)


def blocks_for(pairs: DataFrame) -> int:
    """Two blocks a core keep all cores busy to the end of an iteration; more only add shuffles."""
    return max(2, min(200, 2 * pairs.sparkSession.sparkContext.defaultParallelism))
