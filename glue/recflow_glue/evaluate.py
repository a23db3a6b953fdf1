"""Offline metrics on the hold-out, computed with the published vectors.

Each hold-out user is folded in from the history before the cut. All items except
those of the history are ranked, and the first 100 are compared with the answers,
which are new to the user:

    recall@k   hits / min(k, answers)
    ndcg@100   binary gain, discount 1/log2(rank + 1), divided by that of the ideal list
    coverage   share of the catalog in the first 20 items of all lists
               (aggregate diversity, Adomavicius and Kwon 2012)
    novelty    mean of -log2(share of trained users who like the item) over the
               first 20 (self-information, Zhou et al. 2010), in bits

The metrics `all` rank every item, and the answers include items of the history that
the user comes back to.

An answer that the version does not know is a miss. A user without a vector has an
empty list. The baselines are popularity, the number of trained users who like an
item, and item-kNN, which is scored on the driver and for the first users only if
there are many.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pyspark import SparkContext

from recflow_glue import knn
from recflow_glue.foldin import FoldIn
from recflow_glue.train import Matrix

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
    categories: np.ndarray  # numbers of the categories, -1 for none


CANDIDATE, POPULARITY, ITEM_KNN = "candidate", "popularity", "item_knn"


@dataclass(frozen=True)
class Scored:
    """The result for one hold-out user. The dicts are by method, and empty if the user is not scored."""

    user: int
    vector: bytes  # float32, of the whole history; empty when nothing counts
    new: dict[str, tuple[float, ...]]  # PER_USER
    all: dict[str, tuple[float, ...]]  # PER_USER without novelty
    top: dict[str, bytes]  # int32 item rows of the first 20 new items


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


class Measure:
    """Compares lists of item rows with the answers of a user."""

    def __init__(self, ids: list[str], trained: np.ndarray, users: int):
        self.number = {item: i for i, item in enumerate(ids)}
        self.self_information = -np.log2(np.maximum(trained, 1) / users)

    def rows(self, items: Iterable[str] | None) -> np.ndarray:
        """Return the rows of the items that the version knows."""
        return np.array([self.number[i] for i in items or () if i in self.number], dtype=np.int64)

    def history(self, items: list[str] | None, weights: list[float] | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and weights of the items that the version knows."""
        pairs = [(self.number[i], w) for i, w in zip(items or (), weights or (), strict=True) if i in self.number]
        at, w = zip(*pairs, strict=True) if pairs else ((), ())
        return np.array(at, np.int64), np.array(w, np.float32)

    def new(self, listed: np.ndarray, answers: list[str]) -> tuple[float, ...]:
        novelty = float(self.self_information[listed[:TOP]].mean()) if len(listed) else 0.0
        return (*self.all(listed, answers), novelty)

    def all(self, listed: np.ndarray, answers: list[str]) -> tuple[float, ...]:
        return hit_metrics(np.isin(listed, self.rows(answers)), len(answers))


def score(rows: Iterable, catalog: Catalog, fold: FoldIn) -> Iterator[Scored]:
    """Fold in and score the hold-out users of one partition."""
    measure = Measure(catalog.ids, catalog.trained, catalog.users)
    ids = np.array([i.encode() for i in catalog.ids])
    by_popularity = np.lexsort((ids, -catalog.trained))  # ties by id, as in Go
    nothing = np.empty(0, dtype=np.int64)

    def folded(items: list[str] | None, weights: list[float] | None) -> np.ndarray | None:
        at, w = measure.history(items, weights)
        return fold.vector(catalog.vectors[at], w) if len(at) else None

    for r in rows:
        full = folded(r["history_items"], r["history_weights"])
        vector = b"" if full is None else full.tobytes()
        if not r["answers"]:
            yield Scored(r["user"], vector, {}, {}, {})
            continue
        past = folded(r["past_items"], r["past_weights"])
        scores = None if past is None else catalog.vectors @ past
        seen = measure.rows([*r["past_items"], *r["past_seen"]])
        popular = by_popularity[: LIST_LENGTH + len(seen)]
        new = {
            CANDIDATE: nothing if scores is None else top_rows(scores, seen),
            POPULARITY: popular[~np.isin(popular, seen)][:LIST_LENGTH],
        }
        every = {
            CANDIDATE: nothing if scores is None else top_rows(scores, nothing),
            POPULARITY: by_popularity[:LIST_LENGTH],
        }
        yield scored(r, vector, measure, new, every)


def scored(
    r: dict, vector: bytes, measure: Measure, new: dict[str, np.ndarray], every: dict[str, np.ndarray]
) -> Scored:
    """Return the result of a user from the lists of each method, of new items and of all."""
    return Scored(
        r["user"],
        vector,
        {method: measure.new(rows, r["answers"]) for method, rows in new.items()},
        {method: measure.all(rows, [*r["answers"], *r["repeats"]]) for method, rows in every.items()},
        {method: rows[:TOP].astype(np.int32).tobytes() for method, rows in new.items()},
    )


def score_knn(users: list[dict], matrix: Matrix, threads: int) -> dict[int, Scored]:
    """Score the users with answers by item-kNN, as many as are affordable. Returns the results by user."""
    measure = Measure(matrix.item_ids, matrix.by_item.counts(), int(np.count_nonzero(matrix.by_user.counts())))
    answered = sorted((u for u in users if u["answers"]), key=lambda u: u["user"])
    histories = [measure.rows(u["past_items"]) for u in answered]
    n = knn.users_within(matrix.by_user, matrix.by_item, histories)
    found = {}
    for u, scores in zip(answered, knn.scores(matrix.by_user, matrix.by_item, histories[:n], threads), strict=False):
        seen = measure.rows([*u["past_items"], *u["past_seen"]])
        new, every = ({ITEM_KNN: positive(scores, top_rows(scores, x))} for x in (seen, seen[:0]))
        found[u["user"]] = scored(u, b"", measure, new, every)
    return found


def positive(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return rows[scores[rows] > 0]


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


def summarize(found: list[Scored], by_knn: dict[int, Scored], items: int, seed: int) -> dict:
    """Return the manifest's `metrics`."""
    answered = [s for s in found if s.new]
    if not answered:
        return {"users": 0, "candidate": {}, "popularity": {}}
    out = {"users": len(answered), "all": {}}
    methods = {
        CANDIDATE: answered,
        POPULARITY: answered,
        ITEM_KNN: [by_knn[s.user] for s in answered if s.user in by_knn],
    }
    for method, users in methods.items():
        if users:
            out[method] = means([s.new[method] for s in users], PER_USER, seed)
            out["all"][method] = means([s.all[method] for s in users], PER_USER[:-1], seed)
            rows = np.frombuffer(b"".join(s.top[method] for s in users), dtype=np.int32)
            share = len(np.unique(rows)) / items
            # Coverage is a property of the set of all lists. A resample of the users can
            # only lower it, so it has no bootstrap interval.
            out[method]["coverage"] = {"value": share, "low": share, "high": share}
    if by_knn:
        both = [s for s in answered if s.user in by_knn]
        ndcg = PER_USER.index("ndcg@100")
        differences = [[s.new[CANDIDATE][ndcg] - by_knn[s.user].new[ITEM_KNN][ndcg]] for s in both]
        out["item_knn_users"] = len(both)
        out["item_knn_difference"] = intervals(np.array(differences), seed)[0]
    return out


def means(values: list[tuple[float, ...]], names: tuple[str, ...], seed: int) -> dict:
    return dict(zip(names, intervals(np.array(values), seed), strict=True))


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
