"""Chooses β, by which similar items are scored: a neighbor v of an item q has the score q·v / |v|^β.

The vectors of popular items are long, so at β = 0 (the inner product) they are neighbors of most items; at
β = 1 only the angle counts. β is chosen on the hold-out, whose users did not shape the item vectors. An item
that a user likes is a query, and the user's other items should be among its first 20 neighbors:

    recall              share of the other items that are; a mean over queries and their users
    stratified_recall   geometric mean of the recall in five strata of the other items by popularity, with
                        a fifth of the trained pairs each
    category_agreement  share of the neighbors with the query's category, of those that have a category

The β with the highest stratified recall is chosen. Recall prefers β = 0, because most of the other items are
popular (Steck 2011, "Item popularity and recommendation accuracy"). It differs so much between the strata that
their arithmetic mean does too. In a geometric mean a gain of one percent counts the same in every stratum.
"""

from collections.abc import Iterator

import numpy as np

from recflow_glue import als
from recflow_glue.als import Rows, compiled
from recflow_glue.evaluate import Catalog
from recflow_glue.knn import insert

BETAS = (0.0, 0.25, 0.5, 0.75, 1.0)  # powers that square roots compute, as recsys.SimilarScore does
LENGTH = 20  # neighbors of a query
STRATA = 5
MIN_USERS = 30  # with fewer, β is 0
MAX_QUERIES = 1000
MAX_SCORES = 64_000_000  # queries times items: about a second
BATCH_SCORES = 4_000_000  # computed at once, in float32


def choose(users: list[dict], catalog: Catalog, seed: int) -> dict | None:
    """Return the manifest's `similar`, or None if no user likes two items of the catalog. users are the rows
    of evaluate.score with their user_id."""
    by_user, by_item = likes(users, catalog.ids)
    queries = sample(by_user, min(MAX_QUERIES, MAX_SCORES // max(1, len(catalog.ids))), seed)
    if not len(queries):
        return None
    neighbors = nearest(catalog.vectors, queries)
    recall, stratified = recalls(by_user, by_item, strata(catalog.trained), queries, neighbors)
    grid = [
        {
            "beta": beta,
            "recall": float(recall[b]),
            "stratified_recall": float(stratified[b]),
            "category_agreement": agreement(catalog.categories, queries, neighbors[b]),
        }
        for b, beta in enumerate(BETAS)
    ]
    best = int(np.argmax(stratified)) if len(by_user) >= MIN_USERS else 0
    return {"beta": BETAS[best], "users": len(by_user), "queries": len(queries), "grid": grid}


def compile_ahead() -> None:
    """Compile the loops, which takes seconds, by choosing on two items. Call it in a thread while Spark starts."""
    two = Catalog(["a", "b"], np.eye(2, dtype=np.float32), np.ones(2, np.int64), 1, np.zeros(2, np.int32))
    choose([{"user_id": "", "history_items": two.ids}], two, seed=0)


def likes(users: list[dict], ids: list[str]) -> tuple[Rows, Rows]:
    """Return the items of the catalog that each user likes, by user and by item, of the users who like two."""
    number = {item: i for i, item in enumerate(ids)}
    known = ([number[i] for i in u["history_items"] if i in number] for u in sorted(users, key=lambda u: u["user_id"]))
    histories = [np.array(k, np.int32) for k in known if len(k) > 1]
    rows = np.repeat(np.arange(len(histories), dtype=np.int32), [len(h) for h in histories])
    columns = np.concatenate([*histories, np.empty(0, np.int32)])
    return als.compress(rows, columns, np.ones(len(rows), np.float32), (len(histories), len(ids)))


def sample(by_user: Rows, size: int, seed: int) -> np.ndarray:
    """Return at most size distinct items, each with a probability that grows with its users."""
    shuffled = np.random.default_rng(seed).permutation(by_user.columns)
    return shuffled[np.sort(np.unique(shuffled, return_index=True)[1])][:size]


def strata(trained: np.ndarray) -> np.ndarray:
    """Return the stratum of each item, the most popular ones first."""
    order = np.argsort(-trained, kind="stable")
    before = np.cumsum(trained[order]) - trained[order]
    out = np.empty(len(trained), np.int64)
    out[order] = before * STRATA // max(1, trained.sum())
    return out


def nearest(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the rows of the neighbors (β × query × LENGTH), -1 after the last one."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    norms[norms == 0] = 1
    weights = np.array([norms**-beta for beta in BETAS], np.float32)
    found = np.full((len(BETAS), len(queries), LENGTH), -1, np.int32)
    for part in batches(len(queries), max(1, BATCH_SCORES // len(vectors))):
        _nearest(vectors[queries[part]] @ vectors.T, weights, queries[part], found[:, part])
    return found


def batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))


def recalls(
    by_user: Rows, by_item: Rows, stratum: np.ndarray, queries: np.ndarray, neighbors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and stratified recall of each β. The other items of a user have the same weight, and
    weigh 1 together, for each query."""
    user = np.repeat(np.arange(len(by_user)), by_user.counts())
    per_stratum = np.zeros((len(by_user), STRATA))
    np.add.at(per_stratum, (user, stratum[by_user.columns]), 1)
    hits, total = np.zeros((len(neighbors), STRATA)), np.zeros((2, STRATA))
    counts = (by_user.counts(), per_stratum)
    _count(by_item.starts, by_item.columns, *counts, stratum, queries, neighbors, hits, total)
    weight, pairs = total
    used = pairs > 0
    half = weight[used] / pairs[used] / 2  # a pair: without hits the mean would be 0 whatever the other strata
    each = (hits[:, used] + half) / (weight[used] + 2 * half)
    return hits.sum(axis=1) / weight.sum(), np.exp(np.log(each).mean(axis=1))


def agreement(categories: np.ndarray, queries: np.ndarray, neighbors: np.ndarray) -> float | None:
    """Return the mean share of the neighbors with a category that have the query's, or None without any.
    categories are numbers, -1 for none."""
    own, of = categories[queries], np.where(neighbors < 0, -1, categories[neighbors])
    known = (of >= 0).sum(axis=1)
    counts = (own >= 0) & (known > 0)
    same = ((of == own[:, None]) & (of >= 0)).sum(axis=1)
    return float((same[counts] / known[counts]).mean()) if counts.any() else None


@compiled
def _nearest(scores, weights, queries, found):
    """Set found to the rows of the largest products of scores (query × item) and weights (β × item)."""
    values = np.empty(found.shape[2], np.float32)
    for b in range(len(weights)):
        for n in range(len(queries)):
            k, least = 0, 0
            ids = found[b, n]
            for i in range(scores.shape[1]):
                score = scores[n, i] * weights[b, i]
                if (k < len(ids) or score > values[least]) and i != queries[n]:
                    k, least = insert(ids, values, k, least, i, score)


@compiled
def _count(item_starts, item_users, counts, per_stratum, stratum, queries, neighbors, hits, total):
    """Add the weights of the other items among the neighbors to hits (β × stratum), and the weight and the
    number of all of them to total."""
    weight = np.zeros(len(counts))
    for n in range(len(queries)):
        own = item_users[item_starts[queries[n]] : item_starts[queries[n] + 1]]
        for u in own:
            weight[u] = 1 / (counts[u] - 1)
            for s in range(per_stratum.shape[1]):
                others = per_stratum[u, s] - (1 if s == stratum[queries[n]] else 0)
                total[0, s] += weight[u] * others
                total[1, s] += others
        for b in range(len(neighbors)):
            for v in neighbors[b, n]:
                if v >= 0:
                    for i in range(item_starts[v], item_starts[v + 1]):
                        hits[b, stratum[v]] += weight[item_users[i]]
        for u in own:
            weight[u] = 0
