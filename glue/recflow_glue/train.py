"""Trains: chooses the trainer and the settings that were not requested, and fits the model."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import als, defaults, knn, mllib, session
from recflow_glue.attempt import Attempt
from recflow_glue.prepare import Input
from recflow_glue.settings import ALS, AUTO, MLLIB, Requested, Settings
from recflow_glue.storage import Scratch, write_scratch

FILE_ROWS = 1 << 16  # factors in one scratch file


@dataclass(frozen=True)
class Model:
    """The result of a training."""

    settings: Settings
    matrix: "Matrix | None"  # None for mllib
    basis: defaults.Basis | None  # what the defaults were chosen from; None for mllib
    users: DataFrame  # user (int) and embedding (array<float>) of the trained users
    items: DataFrame  # item (int) and embedding (array<float>) of the items that they like


@dataclass(frozen=True)
class Size:
    """The size of a matrix."""

    users: int
    items: int
    pairs: int

    def memory(self, rank: int) -> int:
        """Return the bytes that `als` needs on the driver: the matrix by user and by item while it is
        built, the factors in float32, and float64 copies of them for the exact solution."""
        return 48 * self.pairs + (self.users + self.items) * (12 * rank + 100)

    def highest_rank(self, memory: int) -> int:
        """Return the highest rank of `als` in this memory, in bytes. It may be 0."""
        free = memory - self.memory(0)
        return max(0, min(defaults.RANKS[-1], free // (12 * max(1, self.users + self.items))))


def choose_trainer(requested: Requested, size: Size, memory: int) -> str:
    """Return the trainer. `auto` is `als` if its data fits into this memory on the driver, in bytes."""
    if requested.trainer != AUTO:
        return requested.trainer
    rank = requested.rank or defaults.COUNTED  # counting the singular values needs as much as this rank
    return ALS if size.memory(rank) <= memory else MLLIB


def compile_ahead() -> None:
    """Compile the loops of `als`, which takes seconds, by training on one pair. Call it in a thread while
    Spark starts."""
    one = np.zeros(1, np.int32)
    by_user, by_item = als.compress(one, one, np.ones(1, np.float32), (1, 1))
    basis = defaults.measure(by_user, by_item, rank_limit=1, count=True, seed=0, threads=1)
    als.fit(by_user, by_item, defaults.complete(Requested(), basis), threads=1)
    list(knn.scores(by_user, by_item, [np.zeros(1, np.int64)], threads=1))


def run(r: Attempt, found: Input, pairs: DataFrame) -> Model:
    """Train on pairs, which are in the scratch space."""
    requested = r.config.training
    size = Size(found.summary["users"], found.items_numbered, found.likes)
    memory = session.driver_memory(r.spark)
    if choose_trainer(requested, size, memory) == MLLIB:
        return run_mllib(r, pairs)
    matrix = read_matrix(r.scratch)
    threads = session.cores()
    limit = min(size.highest_rank(memory), defaults.serving_rank(found.items_numbered, r.config.serving_memory))
    basis = defaults.measure(matrix.by_user, matrix.by_item, limit, requested.rank is None, requested.seed, threads)
    s = defaults.complete(requested, basis)
    r.progress.count(0, s.iterations)
    users, items = als.fit(
        matrix.by_user, matrix.by_item, s, threads, lambda done: r.progress.count(done, s.iterations)
    )
    return Model(
        s,
        matrix,
        basis,
        factors(r, "user_factors", "user", matrix.users, matrix.by_user, users),
        factors(r, "item_factors", "item", matrix.items, matrix.by_item, items),
    )


def run_mllib(r: Attempt, pairs: DataFrame) -> Model:
    s = mllib.complete(r.config.training)
    sc, group = r.spark.sparkContext, r.progress.name
    sc.setCheckpointDir(r.scratch.uri("checkpoints"))  # deleted with the scratch space
    r.progress.watch(lambda: (mllib.iterations(sc, group, s.iterations), s.iterations))
    model = mllib.fit(pairs, s)
    users, items = (
        df.select(F.col("id").alias(name), F.col("features").alias("embedding"))
        for df, name in ((model.userFactors, "user"), (model.itemFactors, "item"))
    )
    return Model(s, None, None, users, items)


@dataclass(frozen=True)
class Matrix:
    """The matrix on the driver. Its rows and columns are in the order of the ids, which does not depend on
    the partitions in which Spark numbered them."""

    users: np.ndarray  # Spark's number of each row
    items: np.ndarray  # Spark's number of each column
    item_ids: list[str]
    by_user: als.Rows
    by_item: als.Rows


def read_matrix(scratch: Scratch) -> Matrix:
    users = numbers(scratch.read("users_numbered", ["user_id", "row"]).sort_by("user_id"))
    by_id = scratch.read("items_numbered", ["item_id", "row"]).sort_by("item_id")
    items = numbers(by_id)
    pairs = scratch.read("pairs", ["user", "item", "weight"])
    rows, columns = inverse(users)[column(pairs, "user")], inverse(items)[column(pairs, "item")]
    by_user, by_item = als.compress(rows, columns, column(pairs, "weight"), (len(users), len(items)))
    return Matrix(users, items, by_id["item_id"].to_pylist(), by_user, by_item)


def numbers(table: pa.Table) -> np.ndarray:
    """Return the numbers that matrix.numbered gave: the rank of the row."""
    return inverse(np.argsort(column(table, "row")))


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()


def inverse(permutation: np.ndarray) -> np.ndarray:
    out = np.empty(len(permutation), np.int32)
    out[permutation] = np.arange(len(permutation), dtype=np.int32)
    return out


def factors(r: Attempt, folder: str, name: str, numbers: np.ndarray, m: als.Rows, x: np.ndarray) -> DataFrame:
    """Return the factors of the rows with a pair as a DataFrame. Files are faster than rows sent one by one."""
    trained = np.flatnonzero(m.counts())
    for n, start in enumerate(range(0, len(trained), FILE_ROWS)):
        part = trained[start : start + FILE_ROWS]
        write_vectors(r, f"{folder}/part-{n}.parquet", name, numbers[part], x[part])
    return r.spark.read.schema(f"{name} int, embedding array<float>").parquet(r.scratch.uri(folder))


def write_vectors(r: Attempt, path: str, name: str, numbers: np.ndarray, vectors: np.ndarray) -> str:
    """Write one scratch file of numbered vectors (n×k float32) and return its URI."""
    offsets = np.arange(0, vectors.size + 1, max(1, vectors.shape[1]), dtype=np.int32)
    table = pa.table(
        {
            name: pa.array(numbers, pa.int32()),
            "embedding": pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel(), pa.float32())),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return write_scratch(r.scratch.location(), path, sink.getvalue().to_pybytes())
