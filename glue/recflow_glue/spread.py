"""A matrix whose rows are computed on the executors, for the trainer `als`.

The rows are cut into parts. Each part is one file of pairs in the scratch space, which a task
reads once and Spark caches. For each half iteration the factors of the fixed side are
broadcast, and the solved rows return to the driver in waves of WAVE_BYTES, so that the heap of
its JVM holds one wave. Nothing whose size grows with the pairs is on the driver.

A row is computed by the same compiled code as on the driver, so the result has the same bits.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import RDD, StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import als
from recflow_glue.matrix import materialize
from recflow_glue.storage import Scratch, read_scratch, write_scratch

PARTS_PER_CORE = 3
PART_PAIRS = 1 << 21  # at most, unless one row has more: 100 MB while a task reads them
PART_ROWS = 1 << 15  # at most
WAVE_BYTES = 128 << 20  # of the rows that are sent and returned at once
PAIR_SCHEMA = pa.schema([("row", pa.int32()), ("column", pa.int32()), ("weight", pa.float32())])


class SpreadRows:
    """One orientation of the matrix (als.SparseMatrix). Part n has the rows from bounds[n] to bounds[n + 1]."""

    def __init__(self, parts: RDD, bounds: np.ndarray, counts: np.ndarray):
        self.parts, self.bounds, self._counts = parts, bounds, counts

    def __len__(self) -> int:
        return len(self._counts)

    def counts(self) -> np.ndarray:
        return self._counts

    def each(self, pool: ThreadPoolExecutor, kernel: Callable, rows: tuple[np.ndarray, ...], shared: tuple) -> None:
        sc = self.parts.context
        everywhere = sc.broadcast(shared)
        for first, last in self.waves(sum(x[:1].nbytes for x in rows)):
            begin, bounds = self.bounds[first], (self.bounds[first : last + 1] - self.bounds[first]).tolist()
            own = sc.broadcast(tuple(x[begin : self.bounds[last]] for x in rows))
            work = task(kernel, own, everywhere, first, bounds)
            for part, found in zip(range(first, last), sc.runJob(self.parts, work, range(first, last)), strict=True):
                rows[0][self.bounds[part] : self.bounds[part + 1]] = found
            own.destroy()
        everywhere.destroy()

    def waves(self, row_bytes: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of parts whose rows have at most WAVE_BYTES, or one part."""
        first, most = 0, max(1, WAVE_BYTES // max(1, row_bytes))
        while first < len(self.bounds) - 1:
            within = int(np.searchsorted(self.bounds, self.bounds[first] + most, "right")) - 1
            last = max(first + 1, within)
            yield first, last
            first = last


def task(kernel: Callable, own, everywhere, first: int, bounds: list[int]) -> Callable:
    """Return the function that computes the rows of a part. Part first + n has the rows from bounds[n] to
    bounds[n + 1] of the arrays in own."""

    def work(parts: Iterable[tuple[int, als.Rows]]) -> Iterator[np.ndarray]:
        for n, m in parts:
            out, *others = (x[bounds[n - first] : bounds[n - first + 1]] for x in own.value)
            out = out.copy()  # a task that is tried again needs the start
            kernel(m.starts, m.columns, m.weights, out, *others, 0, len(m), *everywhere.value)
            yield out

    return work


def read(
    pairs: DataFrame, scratch: Scratch, users: np.ndarray, items: np.ndarray, cores: int
) -> tuple[SpreadRows, SpreadRows]:
    """Return the matrix by user and by item. users and items have Spark's number of each row and column.
    cores is the number of all executors' cores."""
    sides = {"user": users, "item": items}
    counts = {name: count(pairs, scratch, name, numbers) for name, numbers in sides.items()}
    bounds = {name: divide(c, cores) for name, c in counts.items()}
    placed = pairs
    for name, numbers in sides.items():
        places = write_places(scratch, name, numbers, bounds[name])
        placed = placed.join(
            pairs.sparkSession.read.schema(f"{name} int, {name}_row int, {name}_part int").parquet(places), name
        )
    return tuple(
        distribute(placed, scratch, row, column, bounds[row], counts[row], len(sides[column]))
        for row, column in (("user", "item"), ("item", "user"))
    )


def count(pairs: DataFrame, scratch: Scratch, name: str, numbers: np.ndarray) -> np.ndarray:
    """Return the number of pairs (int64) of each row."""
    folder = f"{name}_counts"
    materialize(pairs.groupBy(name).agg(F.count("*").alias("pairs")), scratch, folder)
    found = scratch.read(folder)
    by_number = np.zeros(len(numbers), np.int64)
    by_number[found[name].to_numpy()] = found["pairs"].to_numpy()
    return by_number[numbers]


def divide(counts: np.ndarray, cores: int) -> np.ndarray:
    """Return the bounds of ranges of rows with about as many pairs, at most about PART_PAIRS, and at most
    PART_ROWS rows."""
    total = np.concatenate([[0], np.cumsum(counts)])
    parts = max(PARTS_PER_CORE * cores, int(total[-1]) // PART_PAIRS + 1)
    cuts = np.searchsorted(total, np.linspace(0, total[-1], parts + 1)[1:-1])
    return np.unique(np.concatenate([cuts, np.arange(0, len(counts), PART_ROWS), [0, len(counts)]]))


def write_places(scratch: Scratch, name: str, numbers: np.ndarray, bounds: np.ndarray) -> str:
    """Write the row and the part of each of Spark's numbers, and return the URI."""
    rows = np.arange(len(numbers), dtype=np.int32)
    parts = (np.searchsorted(bounds, rows, "right") - 1).astype(np.int32)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: numbers, f"{name}_row": rows, f"{name}_part": parts}), sink)
    return write_scratch(scratch.location(), f"{name}_places/part-0.parquet", sink.getvalue().to_pybytes())


def distribute(
    placed: DataFrame, scratch: Scratch, row: str, column: str, bounds: np.ndarray, counts: np.ndarray, columns: int
) -> SpreadRows:
    """Write the pairs as one file for each part, and return one orientation of the matrix."""
    folder, n = f"pairs_by_{row}", len(bounds) - 1
    selected = placed.select(
        F.col(f"{row}_part").alias("part"),
        F.col(f"{row}_row").alias("row"),
        F.col(f"{column}_row").alias("column"),
        "weight",
    )
    selected.repartition(n, "part").write.mode("error").partitionBy("part").parquet(scratch.uri(folder))
    location, ranges = scratch.location(), dict(enumerate(pairwise(bounds.tolist())))

    def load(parts: Iterable[int]) -> Iterator[tuple[int, als.Rows]]:
        for part in parts:
            first, last = ranges[part]
            table = read_scratch(location, f"{folder}/part={part}", PAIR_SCHEMA.names) or PAIR_SCHEMA.empty_table()
            at, other, weight = (table[name].to_numpy() for name in PAIR_SCHEMA.names)
            yield part, als.compress_rows(at - np.int32(first), other, weight, (last - first, columns))

    parts = placed.sparkSession.sparkContext.parallelize(range(n), n).mapPartitions(load)
    return SpreadRows(parts.persist(StorageLevel.MEMORY_AND_DISK), bounds, counts)
