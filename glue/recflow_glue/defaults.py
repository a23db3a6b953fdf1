"""Chooses the settings of a training that are not given, from its matrix.

With ū and ī pairs per user and per item on average, the singular values of a random matrix
of zeros and ones reach about √ū + √ī. Larger ones are structure, smaller ones are noise:

    rank  number of singular values above √ū + √ī and a quarter more, rounded up to 64, 128, 256
          or 512; above 128 at most a fifth of the number of users and of items
    α     5 / mean weight (10 at rank 512)
    λ     1.5·(√ū + √ī) (2.5 at rank 512)
    ν     ½

The constants were measured on seven data sets; docs/models.md has the results.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from recflow_glue.als import SparseMatrix, blocks, compiled, gram, mean_pairs
from recflow_glue.settings import ALS, Requested, Settings

RANKS = (64, 128, 256, 512)
EXPONENT = 0.5
ITERATIONS = 6
EXTRA = 16  # vectors beyond the singular values that are counted (Halko, Martinsson and Tropp 2011)
COUNTED = RANKS[-2] + EXTRA  # vectors at most
MARGIN = 1.25  # of the rank over the singular values: some structure is close to the noise
USERS_PER_DIMENSION = 5  # and items; with fewer, ranks above RANKS[1] do not help
POWER_STEPS = 3


@dataclass(frozen=True)
class Basis:
    """What the defaults were chosen from: `defaults` in the manifest."""

    users: int  # trained users
    items: int  # items that they like
    mean_user_items: float  # ū
    mean_item_users: float  # ī
    mean_weight: float
    noise: float  # √ū + √ī
    rank_limit: int  # within the memory of the job and of the processes that serve lists
    singular_values: int | None  # those above it, counted up to COUNTED; None if the rank was given


def measure(
    by_user: SparseMatrix, by_item: SparseMatrix, rank_limit: int, count: bool, seed: int, threads: int
) -> Basis:
    """Measure the matrix. Singular values are counted if count is set."""
    u, i = mean_pairs(by_user), mean_pairs(by_item)
    noise = float(np.sqrt(u) + np.sqrt(i))
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        weight = mean_weight(pool, by_user)
        number = count_above(pool, by_user, by_item, noise, seed) if count else None
    users, items = (int(np.count_nonzero(m.counts())) for m in (by_user, by_item))
    return Basis(users, items, u, i, weight, noise, rank_limit, number)


def choose_rank(b: Basis) -> int:
    """Return the rank: the singular values of b with MARGIN, rounded up to one of RANKS, within its limit
    and within what the number of users and items supports, but at least the smallest: a version that
    readers cannot hold is searched in Postgres."""
    supported = max(RANKS[1], min(b.users, b.items) // USERS_PER_DIMENSION)
    fitting = [k for k in RANKS if k <= min(b.rank_limit, supported)] or [RANKS[0]]
    return next((k for k in fitting if k >= MARGIN * b.singular_values), fitting[-1])


def serving_rank(items: int, memory: int) -> int:
    """Return the highest rank at which this number of items fits into the memory of the processes that
    serve lists, in bytes: search.MaxBytes in Go. 0 bytes mean no limit."""
    return (memory // max(1, items) - 256) * 3 // 20 if memory else RANKS[-1]


def complete(requested: Requested, b: Basis) -> Settings:
    """Return the settings: those requested, and for the others the defaults."""
    rank = requested.rank or choose_rank(b)
    alpha, factor = (10.0, 2.5) if rank >= RANKS[-1] else (5.0, 1.5)
    settings = {
        "iterations": ITERATIONS,
        "alpha": alpha / b.mean_weight,
        "regularization": factor * b.noise,
        "regularization_exponent": EXPONENT,
    }
    settings |= {name: getattr(requested, name) for name in settings.keys() & requested.given()}
    return Settings(trainer=ALS, rank=rank, mean_items=b.mean_user_items, seed=requested.seed, **settings)


def mean_weight(pool: ThreadPoolExecutor, m: SparseMatrix) -> float:
    """Return the mean weight of the pairs, or 1 if there are none. It has the same bits however the rows
    are divided, because each row is summed first."""
    sums = np.zeros(len(m))
    m.each(pool, _sum, (sums,), ())
    pairs = m.counts().sum()
    return float(sums.sum() / pairs) if pairs else 1.0


def count_above(pool: ThreadPoolExecutor, by_user: SparseMatrix, by_item: SparseMatrix, bound: float, seed: int) -> int:
    """Return the number of singular values of the matrix of zeros and ones that are above bound, counted
    up to COUNTED, by subspace iteration. More vectors are used only if fewer do not reach the bound."""
    short, long = (by_user, by_item) if len(by_user) < len(by_item) else (by_item, by_user)
    found = 0
    for rank in RANKS[:-1]:
        size = min(rank + EXTRA, len(short))
        q = np.random.default_rng(seed).standard_normal((len(short), size), np.float32)
        for _ in range(POWER_STEPS):
            q = orthonormal(pool, multiply(pool, short, multiply(pool, long, q)))
        squares = np.linalg.eigvalsh(gram(pool, multiply(pool, long, q)))
        found = int((squares > bound**2).sum())
        if found <= rank or size == len(short):
            break
    return found


def orthonormal(pool: ThreadPoolExecutor, x: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the columns of x."""
    values, basis = np.linalg.eigh(gram(pool, x))
    used = values > values[-1] * 1e-10
    scaled = (basis[:, used] / np.sqrt(values[used])).astype(np.float32)
    return np.concatenate([x[rows] @ scaled for rows in blocks(len(x))])


def multiply(pool: ThreadPoolExecutor, m: SparseMatrix, x: np.ndarray) -> np.ndarray:
    """Return the product of m, with ones for weights, and x."""
    out = np.zeros((len(m), x.shape[1]), np.float32)
    m.each(pool, _multiply, (out,), (x,))
    return out


@compiled
def _multiply(starts, columns, weights, out, first, last, x):
    for row in range(first, last):
        for i in range(starts[row], starts[row + 1]):
            y = x[columns[i]]
            for j in range(len(y)):
                out[row, j] += y[j]


@compiled
def _sum(starts, columns, weights, out, first, last):
    for row in range(first, last):
        for i in range(starts[row], starts[row + 1]):
            out[row] += weights[i]
