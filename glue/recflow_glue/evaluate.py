"""Offline metrics on the hold-out, computed with the published vectors.

Each hold-out user is folded in from the history before the cut. All items except
those of the history are ranked, and the first 100 are compared with the answers:

    recall@k   hits / min(k, answers)
    ndcg@100   binary gain, discount 1/log2(rank + 1), divided by that of the ideal list
    coverage   share of the catalog in the first 20 items of all lists
               (aggregate diversity, Adomavicius and Kwon 2012)
    novelty    mean of -log2(share of trained users who like the item) over the
               first 20 (self-information, Zhou et al. 2010), in bits

An answer that the version does not know is a miss. A user without a vector has an
empty list. The baseline ranks by the number of trained users who like an item.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pyspark import SparkContext

from recflow_glue.foldin import FoldIn

LIST_LENGTH = 100  # length of the ranked list
TOP = 20  # items of each list that coverage and novelty use
RESAMPLES = 1000
MAX_DRIVER_SCORES = 50_000_000  # computed on the driver in a few seconds
DISCOUNT = 1 / np.log2(np.arange(2, LIST_LENGTH + 2))
IDEAL = np.cumsum(DISCOUNT)
PER_USER = ("recall@20", "recall@50", "ndcg@100", "novelty")


@dataclass(frozen=True)
class Catalog:
    """The items as scoring needs them. Every list has one entry per row of `vectors`."""

    ids: list[str]
    vectors: np.ndarray  # n×k float32
    trained: np.ndarray  # trained users who like the item
    users: int  # trained users


@dataclass(frozen=True)
class Scored:
    """The result for one hold-out user."""

    user: int
    vector: bytes  # float32, of the whole history; empty when nothing counts
    candidate: tuple[float, ...] | None  # PER_USER; None when the user is not scored
    popularity: tuple[float, ...] | None
    top: tuple[bytes, bytes]  # int32 item rows of both lists' first 20


def hit_metrics(hits: np.ndarray, answers: int) -> tuple[float, float, float]:
    """Return recall@20, recall@50 and nDCG@100 of a ranked list. hits marks the items that are answers."""
    padded = np.zeros(LIST_LENGTH, dtype=bool)
    padded[: len(hits)] = hits[:LIST_LENGTH]
    recalls = (float(padded[:k].sum() / min(k, answers)) for k in (20, 50))
    return (*recalls, float((padded * DISCOUNT).sum() / IDEAL[min(LIST_LENGTH, answers) - 1]))


def top_rows(scores: np.ndarray, excluded: np.ndarray, k: int = LIST_LENGTH) -> np.ndarray:
    """Return the rows of the k highest scores, best first and ties by row, without the excluded rows."""
    scores = scores.copy()
    scores[excluded] = -np.inf
    k = min(k, len(scores) - len(np.unique(excluded)))
    if k <= 0:
        return np.empty(0, dtype=np.int64)
    cut = np.partition(scores, len(scores) - k)[len(scores) - k]
    rows = np.flatnonzero(scores >= cut)
    return rows[np.lexsort((rows, -scores[rows]))][:k]


def score(rows: Iterable, catalog: Catalog, fold: FoldIn) -> Iterator[Scored]:
    """Fold in and score the hold-out users of one partition."""
    number = {item: i for i, item in enumerate(catalog.ids)}
    ids = np.array([i.encode() for i in catalog.ids])
    by_popularity = np.lexsort((ids, -catalog.trained))  # ties by id, as in Go
    self_information = -np.log2(np.maximum(catalog.trained, 1) / catalog.users)

    def known(items: Iterable[str] | None) -> np.ndarray:
        return np.array([number[i] for i in items or () if i in number], dtype=np.int64)

    def folded(items: list[str] | None, weights: list[float] | None) -> np.ndarray | None:
        pairs = [(number[i], w) for i, w in zip(items or (), weights or (), strict=True) if i in number]
        if not pairs:
            return None
        at, w = zip(*pairs, strict=True)
        return fold.vector(catalog.vectors[list(at)], np.array(w, dtype=np.float32))

    def measure(listed: np.ndarray, answers: list[str]) -> tuple[float, ...]:
        hits = np.isin(listed, known(answers))
        novelty = float(self_information[listed[:TOP]].mean()) if len(listed) else 0.0
        return (*hit_metrics(hits, len(answers)), novelty)

    for r in rows:
        full = folded(r["history_items"], r["history_weights"])
        vector = b"" if full is None else full.tobytes()
        if not r["answers"]:
            yield Scored(r["user"], vector, None, None, (b"", b""))
            continue
        excluded = known([*r["past_items"], *r["past_seen"]])
        past = folded(r["past_items"], r["past_weights"])
        personalized = np.empty(0, dtype=np.int64) if past is None else top_rows(catalog.vectors @ past, excluded)
        popular = by_popularity[: LIST_LENGTH + len(excluded)]
        popular = popular[~np.isin(popular, excluded)][:LIST_LENGTH]
        top = tuple(x[:TOP].astype(np.int32).tobytes() for x in (personalized, popular))
        yield Scored(r["user"], vector, measure(personalized, r["answers"]), measure(popular, r["answers"]), top)


def score_all(sc: SparkContext, users: list[dict], catalog: Catalog, fold: FoldIn) -> list[Scored]:
    """Score every hold-out user and return the results in user order. There are at most
    about 10,000. A small number is scored on the driver, because a Python worker takes
    longer to start."""
    if len(users) * len(catalog.ids) <= MAX_DRIVER_SCORES:
        return sorted(score(users, catalog, fold), key=lambda s: s.user)
    shared = sc.broadcast((catalog, fold))
    parts = sc.parallelize(users, min(len(users), 4 * sc.defaultParallelism))
    found = parts.mapPartitions(lambda rows: score(rows, *shared.value)).collect()
    shared.unpersist()
    return sorted(found, key=lambda s: s.user)


def summarize(found: list[Scored], items: int, seed: int) -> dict:
    """Return the manifest's `metrics`."""
    scored = [s for s in found if s.candidate is not None]
    if not scored:
        return {"users": 0, "candidate": {}, "popularity": {}}
    both = {"candidate": 0, "popularity": 1}
    out: dict = {"users": len(scored)}
    for side, at in both.items():
        values = np.array([getattr(s, side) for s in scored])
        out[side] = dict(zip(PER_USER, intervals(values, seed), strict=True))
        rows = np.frombuffer(b"".join(s.top[at] for s in scored), dtype=np.int32)
        share = len(np.unique(rows)) / items
        # Coverage is a property of the set of all lists. A resample of the users can
        # only lower it, so it has no bootstrap interval.
        out[side]["coverage"] = {"value": share, "low": share, "high": share}
    return out


def intervals(values: np.ndarray, seed: int) -> list[dict]:
    """Return the mean and the 95 % percentile bootstrap interval of each column. Calls with
    the same seed and number of rows use the same resamples."""
    rng, n = np.random.default_rng(seed), len(values)
    means = np.empty((RESAMPLES, values.shape[1]))
    for i in range(RESAMPLES):
        means[i] = np.bincount(rng.integers(0, n, n), minlength=n) @ values / n
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    mean = values.mean(axis=0)
    return [{"value": float(m), "low": float(a), "high": float(b)} for m, a, b in zip(mean, low, high, strict=True)]
