"""The trainer `mllib`: implicit ALS of Spark MLlib, which distributes both sides of the matrix.

Its confidence is 1 + α·w and its regularization λ·n, n being the pairs of the row (ν = 1).
"""

from pyspark import SparkContext
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame

from recflow_glue.settings import MLLIB, Requested, Settings

DEFAULTS = {"rank": 64, "iterations": 12, "alpha": 2.0, "regularization": 0.1}

# Iterations between two checkpoints. Each iteration lengthens the lineage of the
# factors, which is sent with every task and which Java reads recursively. After about
# 15 iterations Java's default stack of 1 MB overflows, and the JVM exits.
CHECKPOINT_EVERY = 5
SETUP_JOBS = 3  # before the first iteration


def fit(pairs: DataFrame, s: Settings) -> ALSModel:
    """Fit the columns user, item and weight. More than about 15 iterations need a checkpoint directory,
    which the caller sets and deletes."""
    blocks = block_count(pairs)
    als = ALS(
        rank=s.rank,
        maxIter=s.iterations,
        regParam=s.regularization,
        alpha=s.alpha,
        implicitPrefs=True,
        seed=s.seed,
        checkpointInterval=CHECKPOINT_EVERY,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol="user",
        itemCol="item",
        ratingCol="weight",
    )
    return als.fit(pairs)


def complete(requested: Requested) -> Settings:
    """Return the settings: those requested, and for the others the defaults."""
    settings = DEFAULTS | {name: getattr(requested, name) for name in DEFAULTS.keys() & requested.given()}
    return Settings(trainer=MLLIB, regularization_exponent=1.0, mean_items=1.0, seed=requested.seed, **settings)


def block_count(pairs: DataFrame) -> int:
    """Return the number of blocks: two per core keep all cores busy; more only add shuffles."""
    return max(2, min(200, 2 * pairs.sparkSession.sparkContext.defaultParallelism))


def iterations(sc: SparkContext, group: str, total: int) -> int:
    """Return the current iteration, of total, of the fit that runs in this job group."""
    tracker = sc.statusTracker()
    infos = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    return min(total, iteration_at(sum(info is not None and info.status == "SUCCEEDED" for info in infos)))


def iteration_at(jobs: int) -> int:
    """Return the current iteration after this number of finished jobs. Implicit ALS runs one job, for
    VᵀV or UᵀU, before each half iteration, and one per checkpoint."""
    if jobs < SETUP_JOBS:
        return 0
    rounds, rest = divmod(jobs - SETUP_JOBS, 2 * CHECKPOINT_EVERY + 1)
    return rounds * CHECKPOINT_EVERY + min(rest // 2 + 1, CHECKPOINT_EVERY)
