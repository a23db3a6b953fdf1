"""Implicit alternating least squares.

Minimizes the objective of Hu, Koren and Volinsky (2008, equation 3) with a regularization
that depends on the number of pairs of a row (Rendle et al. 2022, "Revisiting the performance
of iALS", equation 8):

    Σ_ui (1 + α·w_ui)·(p_ui − xᵤ·yᵢ)² + Σ_u λ_u·‖xᵤ‖² + Σ_i λ_i·‖yᵢ‖²

    p = 1 and w > 0 for the pairs of the matrix, p = w = 0 for all others
    λ_u = λ·(n_u / mean n)^ν    with the n_u pairs of the row; the same for columns

Before each half step both factor matrices are rotated into the eigenbasis of the Gram matrix
of the fixed side. The products of the factors stay the same, and the Gram matrix becomes
diagonal: a conjugate gradient step of a row costs n·k instead of n·k + k² operations, and
Gram matrix plus regularization is an exact preconditioner for everything but the row's own
pairs, so that three steps suffice (the method of Takács, Pilászy and Tikk 2011 for ALS).

Each row is computed by one thread, and sums over rows are sums of blocks of a fixed size in a
fixed order. With BLAS limited to one thread the result therefore has the same bits for any
number of threads. Rows are computed in the threads of this process (Rows) or on executors
(spread.py); everything else is computed here.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from recflow_glue.settings import Settings

BLOCK = 4096  # rows of one product of matrices
TASK_PAIRS = 1 << 15  # approximate pairs of the rows that a thread solves at once
STEPS = 3  # conjugate gradient steps of a row
EXACT_STEPS = 1000  # at most, of a row that is solved to EXACT_RESIDUAL
EXACT_RESIDUAL = 1e-20  # rᵀM⁻¹r / bᵀM⁻¹b at which a row is solved, in float64
START = 0.01  # standard deviation of the first item factors, times √rank


class SparseMatrix(Protocol):
    """One orientation of a sparse matrix whose weights are positive."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def counts(self) -> np.ndarray:
        """Return the number of pairs of each row."""

    def each(self, pool: ThreadPoolExecutor, kernel: Callable, rows: tuple[np.ndarray, ...], shared: tuple) -> None:
        """Call kernel(starts, columns, weights, *rows, first, last, *shared) for ranges of rows, which sets
        the rows [first, last) of rows[0]. The arrays in rows have one entry per row of the matrix."""


# The compiler's cache is next to the source, which is a zip on Glue.
compiled = partial(numba.njit, nogil=True, cache=Path(__file__).exists())


@dataclass(frozen=True)
class Rows:
    """A sparse matrix in compressed rows. Columns ascend within a row."""

    starts: np.ndarray  # int64, one more than there are rows
    columns: np.ndarray  # int32
    weights: np.ndarray  # float32, all positive

    def __len__(self) -> int:
        return len(self.starts) - 1

    def counts(self) -> np.ndarray:
        return np.diff(self.starts)

    def each(self, pool: ThreadPoolExecutor, kernel: Callable, rows: tuple[np.ndarray, ...], shared: tuple) -> None:
        matrix = (self.starts, self.columns, self.weights)
        for done in [pool.submit(kernel, *matrix, *rows, *part, *shared) for part in tasks(self.starts)]:
            done.result()


def mean_pairs(m: SparseMatrix) -> float:
    """Return the mean number of pairs of the rows that have one, or 1 if none has."""
    counts = m.counts()
    return float(max(1, counts.sum()) / max(1, np.count_nonzero(counts)))


@compiled
def _compress(rows, columns, weights, n):
    starts = np.zeros(n + 1, np.int64)
    for r in rows:
        starts[r + 1] += 1
    for r in range(n):
        starts[r + 1] += starts[r]
    to = starts[:-1].copy()
    out, out_weights = np.empty(len(columns), np.int32), np.empty(len(columns), np.float32)
    for i in range(len(columns)):
        at = to[rows[i]]
        out[at], out_weights[at] = columns[i], weights[i]
        to[rows[i]] = at + 1
    return starts, out, out_weights


def transpose(m: Rows, columns: int) -> Rows:
    """Return the transposed matrix, which has this number of rows. Its columns ascend in each row."""
    rows = np.repeat(np.arange(len(m), dtype=np.int32), m.counts())
    return Rows(*_compress(m.columns, rows, m.weights, columns))


def compress_rows(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> Rows:
    """Return the matrix of the pairs, which may have any order, without effect on the result."""
    return transpose(Rows(*_compress(columns, rows, weights, shape[1])), shape[0])


def compress(users: np.ndarray, items: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> tuple[Rows, Rows]:
    """Return the matrix by user and by item. The pairs may have any order, without effect on the result."""
    by_user = compress_rows(users, items, weights, shape)
    return by_user, transpose(by_user, shape[1])


fast = compiled(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@fast
def _dot(a, b):
    total = a.dtype.type(0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@fast
def _add(scale, a, out):
    for j in range(len(a)):
        out[j] += scale * a[j]


@fast
def _multiply(diagonal, fixed, columns, confidence, p, out):
    """Set out to (diag(diagonal) + Σ c·y·yᵀ)·p."""
    for j in range(len(p)):
        out[j] = diagonal[j] * p[j]
    for i in range(len(columns)):
        y = fixed[columns[i]]
        _add(confidence[i] * _dot(y, p), y, out)


@fast
def _solve(starts, columns, weights, x, regularization, first, last, fixed, eigenvalues, alpha, steps, residual):
    """Solve the rows [first, last) of x, which hold the start, by preconditioned conjugate gradients:
    (diag(eigenvalues) + λ_r·I + Σ α·w·y·yᵀ)·x = Σ (1 + α·w)·y."""
    k = fixed.shape[1]
    r, z, p, ap = np.empty(k, fixed.dtype), np.empty(k, fixed.dtype), np.empty(k, fixed.dtype), np.empty(k, fixed.dtype)
    for row in range(first, last):
        v, begin, end = x[row], starts[row], starts[row + 1]
        if begin == end:
            v[:] = 0
            continue
        diagonal = eigenvalues + regularization[row]
        seen, c = columns[begin:end], alpha * weights[begin:end]
        _multiply(diagonal, fixed, seen, c, v, ap)
        for j in range(k):
            r[j] = -ap[j]
        for i in range(end - begin):
            _add(fixed.dtype.type(1) + c[i], fixed[seen[i]], r)
        for j in range(k):
            p[j] = r[j] / diagonal[j]
        rz = _dot(r, p)
        enough = residual * rz
        for _ in range(steps):
            _multiply(diagonal, fixed, seen, c, p, ap)
            length = _dot(p, ap)
            if not (rz > enough and length > 0):  # length is 0 when the residual is too small for the type
                break
            _add(rz / length, p, v)
            _add(-rz / length, ap, r)
            for j in range(k):
                z[j] = r[j] / diagonal[j]
            previous, rz = rz, _dot(r, z)
            for j in range(k):
                p[j] = z[j] + rz / previous * p[j]


def fit(
    by_user: SparseMatrix,
    by_item: SparseMatrix,
    s: Settings,
    threads: int,
    report: Callable[[int], None] = lambda _: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Train, and call report with the number of each finished iteration. Returns the user and the item
    factors, n×k float32; those of a row without pairs are zero. The user factors are the exact solution
    for the item factors."""
    users = np.zeros((len(by_user), s.rank), np.float32)
    items = np.random.default_rng(s.seed).standard_normal((len(by_item), s.rank), np.float32)
    items *= np.float32(START / np.sqrt(s.rank))
    items[by_item.counts() == 0] = 0
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for n in range(s.iterations):
            half_step(pool, by_user, s, items, users)
            half_step(pool, by_item, s, users, items)
            report(n + 1)
        solve_exactly(pool, by_user, s, items, users)
    return users, items


def half_step(pool: ThreadPoolExecutor, m: SparseMatrix, s: Settings, fixed: np.ndarray, x: np.ndarray) -> None:
    """Improve the factors x of the rows of m for the fixed factors of its columns. Rotates both."""
    values, basis = np.linalg.eigh(gram(pool, fixed))
    basis = basis.astype(np.float32)
    rotate(pool, fixed, basis)
    rotate(pool, x, basis)
    solve(pool, m, s, (fixed, values), x, STEPS, 0.0)


def solve_exactly(pool: ThreadPoolExecutor, m: SparseMatrix, s: Settings, fixed: np.ndarray, x: np.ndarray) -> None:
    """Set x to the solution for the fixed factors, computed in float64."""
    wide = fixed.astype(np.float64)
    values, basis = np.linalg.eigh(gram(pool, wide))
    rotate(pool, wide, basis)
    y = np.zeros(x.shape)
    solve(pool, m, s, (wide, values), y, EXACT_STEPS, EXACT_RESIDUAL)
    rotate(pool, y, np.ascontiguousarray(basis.T))
    x[:] = y


def solve(
    pool: ThreadPoolExecutor,
    m: SparseMatrix,
    s: Settings,
    fixed: tuple[np.ndarray, np.ndarray],
    x: np.ndarray,
    steps: int,
    residual: float,
) -> None:
    """Solve all rows from the start in x. fixed has the factors of the columns in the eigenbasis of their
    Gram matrix, and its eigenvalues."""
    factors, values = fixed
    number = factors.dtype.type
    eigenvalues = np.maximum(values, 0).astype(number)
    regularization = (s.regularization * (m.counts() / mean_pairs(m)) ** s.regularization_exponent).astype(number)
    shared = (factors, eigenvalues, number(s.alpha), steps, number(residual))
    m.each(pool, _solve, (x, regularization), shared)


def tasks(starts: np.ndarray) -> list[tuple[int, int]]:
    """Divide the rows into ranges of about TASK_PAIRS pairs. A longer row is a range of its own."""
    cuts = np.searchsorted(starts, np.arange(0, starts[-1], TASK_PAIRS))
    bounds = np.unique(np.concatenate([[0], cuts, [len(starts) - 1]])).tolist()
    return list(pairwise(bounds))


def blocks(n: int) -> list[slice]:
    return [slice(i, min(n, i + BLOCK)) for i in range(0, n, BLOCK)]


def gram(pool: ThreadPoolExecutor, x: np.ndarray) -> np.ndarray:
    """Return xᵀx as float64: the sum of its blocks, each computed in the precision of x."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for g in pool.map(lambda rows: x[rows].T @ x[rows], blocks(len(x))):
        total += g
    return (total + total.T) / 2


def rotate(pool: ThreadPoolExecutor, x: np.ndarray, basis: np.ndarray) -> None:
    """Replace x with x·basis."""

    def block(rows: slice) -> None:
        x[rows] = x[rows] @ basis

    for _ in pool.map(block, blocks(len(x))):
        pass
