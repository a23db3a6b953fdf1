"""Trains: chooses the trainer, where it runs and the settings that were not requested, and fits the model."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import als, defaults, knn, mllib, session, spread
from recflow_glue.attempt import Attempt
from recflow_glue.prepare import Input
from recflow_glue.session import Executors
from recflow_glue.settings import ALS, MLLIB, Requested, Settings
from recflow_glue.storage import Scratch, write_table

FILE_ROWS = 1 << 16  # factors in one scratch file
DRIVER, EXECUTORS = "driver", "executors"  # where `als` computes rows
WORTH_SPREADING = 10**10  # pairs times rank from which executors save more time than starting them takes
PART_BYTES = 512 << 20  # in a Python process of an executor next to the factors of the fixed side


@dataclass(frozen=True)
class Model:
    """The result of a training."""

    settings: Settings
    matrix: "Matrix | None"  # on the driver; None if the rows were computed on executors
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
        """Return the bytes that `als` needs on the driver alone: the matrix by user and by item while it
        is built, and the factors."""
        return 48 * self.pairs + self.factors(rank)

    def factors(self, rank: int) -> int:
        """Return the bytes of the factors on the driver, in float32 with float64 copies for the exact
        solution, and of the ids."""
        return (self.users + self.items) * (12 * rank + 100)

    def worker(self, rank: int) -> int:
        """Return the bytes of a Python process that solves rows on an executor: the factors of the fixed
        side, which are the users' in float32 or the items' in float64, and a part of the matrix."""
        return max(4 * self.users, 8 * self.items) * rank + PART_BYTES

    def fits(self, place: str, rank: int, memory: int, found: Executors) -> bool:
        """Report whether `als` can run there. memory is that of the driver, in bytes."""
        if place == DRIVER:
            return self.memory(rank) <= memory
        return found.number > 0 and self.factors(rank) <= memory and found.cores * self.worker(rank) <= found.memory

    def highest_rank(self, place: str, memory: int, found: Executors) -> int:
        """Return the highest rank of `als` there. It may be 0."""
        ranks = range(1, defaults.RANKS[-1] + 1)
        return bisect_left(ranks, True, key=lambda rank: not self.fits(place, rank, memory, found))


def choose_place(requested: Requested, size: Size, memory: int, cores: int, found: Executors) -> str:
    """Return DRIVER, EXECUTORS or MLLIB. memory (bytes) and cores are those of the driver.

    `als` runs on the driver if its data fits there, and otherwise on the executors if the factors fit
    there. It also runs on them if they have twice the driver's cores and the matrix is worth it. If
    neither fits, `auto` is MLLIB, and `als` is tried on the driver.
    """
    if requested.trainer == MLLIB:
        return MLLIB
    rank = requested.rank or defaults.COUNTED  # counting the singular values needs as much as this rank
    on_driver, on_executors = (size.fits(place, rank, memory, found) for place in (DRIVER, EXECUTORS))
    work = size.pairs * (requested.rank or defaults.RANKS[0])
    faster = found.number * found.cores >= 2 * cores and work >= WORTH_SPREADING
    if on_executors and (faster or not on_driver):
        return EXECUTORS
    return DRIVER if on_driver or requested.trainer == ALS else MLLIB


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
    memory, threads, executors = session.driver_memory(r.spark), session.cores(), session.executors(r.spark)
    place = choose_place(requested, size, memory, threads, executors)
    print(f"training runs on: {place}", flush=True)
    if place == MLLIB:
        return run_mllib(r, pairs)
    ids = read_ids(r.scratch)
    if place == DRIVER:
        matrix = read_matrix(r.scratch, ids)
        by_user, by_item = matrix.by_user, matrix.by_item
    else:
        matrix = None
        by_user, by_item = spread.read(pairs, r.scratch, ids.users, ids.items, executors.number * executors.cores)
    limit = min(
        size.highest_rank(place, memory, executors),
        defaults.serving_rank(found.items_numbered, r.config.serving_memory),
    )
    basis = defaults.measure(by_user, by_item, limit, requested.rank is None, requested.seed, threads)
    s = defaults.complete(requested, basis)
    r.progress.count(0, s.iterations)
    users, items = als.fit(by_user, by_item, s, threads, lambda done: r.progress.count(done, s.iterations))
    return Model(
        s,
        matrix,
        basis,
        factors(r, "user_factors", "user", ids.users, by_user, users),
        factors(r, "item_factors", "item", ids.items, by_item, items),
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
class Ids:
    """The rows and columns of the matrix. They are in the order of the ids, which does not depend on the
    partitions in which Spark numbered them."""

    users: np.ndarray  # Spark's number of each row
    items: np.ndarray  # Spark's number of each column
    item_ids: pa.ChunkedArray


def read_ids(scratch: Scratch) -> Ids:
    users = scratch.read("users_numbered", ["user_id", "row"]).sort_by("user_id")
    items = scratch.read("items_numbered", ["item_id", "row"]).sort_by("item_id")
    return Ids(numbers(users), numbers(items), items["item_id"])


@dataclass(frozen=True)
class Matrix:
    """The matrix on the driver."""

    item_ids: list[str]
    by_user: als.Rows
    by_item: als.Rows


def read_matrix(scratch: Scratch, ids: Ids) -> Matrix:
    pairs = scratch.read("pairs", ["user", "item", "weight"])
    rows, columns = inverse(ids.users)[column(pairs, "user")], inverse(ids.items)[column(pairs, "item")]
    by_user, by_item = als.compress(rows, columns, column(pairs, "weight"), (len(ids.users), len(ids.items)))
    return Matrix(ids.item_ids.to_pylist(), by_user, by_item)


def numbers(table: pa.Table) -> np.ndarray:
    """Return the numbers that matrix.numbered gave: the rank of the row."""
    return inverse(np.argsort(column(table, "row")))


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()


def inverse(permutation: np.ndarray) -> np.ndarray:
    out = np.empty(len(permutation), np.int32)
    out[permutation] = np.arange(len(permutation), dtype=np.int32)
    return out


def factors(r: Attempt, folder: str, name: str, numbers: np.ndarray, m: als.SparseMatrix, x: np.ndarray) -> DataFrame:
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
    return write_table(r.scratch, path, table)
