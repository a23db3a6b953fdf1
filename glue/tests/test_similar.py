import numpy as np
import pytest

from recflow_glue import similar
from recflow_glue.evaluate import Catalog


def catalog(vectors: np.ndarray, trained: np.ndarray, categories: np.ndarray | None = None) -> Catalog:
    ids = [f"i{n}" for n in range(len(vectors))]
    numbers = np.full(len(ids), -1) if categories is None else categories
    return Catalog(ids, vectors.astype(np.float32), trained, 100, numbers.astype(np.int32))


def user(name: str, *items: int) -> dict:
    return {"user_id": name, "history_items": [f"i{i}" for i in items]}


@pytest.fixture
def drawn():
    """Return users and a catalog of random vectors whose lengths follow popularity."""
    rng = np.random.default_rng(5)
    trained = np.sort(rng.integers(1, 200, 120))[::-1].copy()
    vectors = rng.standard_normal((120, 8)) * np.sqrt(trained)[:, None]
    vectors[7] = 0
    users = [user(f"u{n:02}", *rng.permutation(120)[: rng.integers(1, 30)]) for n in range(40)]
    return users, catalog(vectors, trained, rng.integers(-1, 5, 120))


def brute_force(users: list[dict], c: Catalog, beta: float) -> tuple[float, float, float]:
    """Return recall, stratified recall and category agreement of all queries."""
    norms = np.linalg.norm(c.vectors.astype(np.float64), axis=1)
    norms[norms == 0] = 1
    histories = [[int(i[1:]) for i in u["history_items"]] for u in users if len(u["history_items"]) > 1]
    hits, weights, pairs, recalls, agrees = np.zeros(5), np.zeros(5), np.zeros(5), [], []
    stratum = similar.strata(c.trained)
    for q in {i for h in histories for i in h}:
        scores = (c.vectors.astype(np.float64) @ c.vectors[q]) / norms**beta
        scores[q] = -np.inf
        top = np.argsort(-scores, kind="stable")[:20]
        known = [c.categories[v] for v in top if c.categories[v] >= 0]
        if c.categories[q] >= 0:
            agrees.append(np.mean(np.array(known) == c.categories[q]))
        for h in (h for h in histories if q in h):
            others = [i for i in h if i != q]
            recalls.append(np.mean(np.isin(others, top)))
            for i in others:
                hits[stratum[i]] += np.isin(i, top) / len(others)
                weights[stratum[i]] += 1 / len(others)
                pairs[stratum[i]] += 1
    half = weights / pairs / 2
    return np.mean(recalls), np.exp(np.log((hits + half) / (weights + 2 * half)).mean()), np.mean(agrees)


def it_measures_every_beta_like_brute_force(drawn):
    users, c = drawn
    got = similar.choose(users, c, seed=1)
    assert [g["beta"] for g in got["grid"]] == [0, 0.25, 0.5, 0.75, 1]
    assert got["users"] == sum(len(u["history_items"]) > 1 for u in users)
    assert got["queries"] == len({i for u in users if len(u["history_items"]) > 1 for i in u["history_items"]})
    for g in got["grid"]:
        want = brute_force(users, c, g["beta"])
        assert (g["recall"], g["stratified_recall"], g["category_agreement"]) == pytest.approx(want, rel=1e-9)
    assert got["beta"] == max(got["grid"], key=lambda g: g["stratified_recall"])["beta"]


def it_does_not_depend_on_the_order_of_the_users(drawn):
    users, c = drawn
    assert similar.choose(users[::-1], c, seed=1) == similar.choose(users, c, seed=1)


def it_samples_the_queries_of_a_large_catalog(drawn, monkeypatch):
    users, c = drawn
    monkeypatch.setattr(similar, "MAX_SCORES", 10 * len(c.ids))
    monkeypatch.setattr(similar, "BATCH_SCORES", 3 * len(c.ids))
    got = similar.choose(users, c, seed=1)
    assert got["queries"] == 10
    assert similar.choose(users, c, seed=1) == got
    assert similar.choose(users, c, seed=2)["grid"] != got["grid"]


@pytest.fixture
def groups():
    """Return 40 users of ten groups and a catalog with 40 items for each group and 40 popular ones, whose vectors
    are long. A user likes some items of the group, and some popular ones."""
    rng = np.random.default_rng(2)
    own = np.repeat(np.eye(10), 40, axis=0) + 0.1 * rng.standard_normal((400, 10))
    popular = 1 / np.sqrt(10) + 0.1 * rng.standard_normal((40, 10))
    popular *= rng.lognormal(1.5, 0.6, 40)[:, None]
    users = [
        user(f"u{n}", *(40 * (n % 10) + rng.permutation(40)[:12]), *(400 + rng.permutation(40)[:20])) for n in range(40)
    ]
    return users, catalog(np.concatenate([own, popular]), np.repeat([20, 200], [400, 40]))


def it_shortens_the_vectors_of_popular_items_that_hide_all_others(groups):
    users, c = groups
    got = similar.choose(users, c, seed=1)
    assert max(got["grid"], key=lambda g: g["recall"])["beta"] == 0
    assert got["beta"] == 1
    assert all(g["category_agreement"] is None for g in got["grid"])


def it_keeps_the_inner_product_with_few_users(groups):
    users, c = groups
    assert similar.choose(users[:29], c, seed=1)["beta"] == 0
    assert similar.choose(users[:30], c, seed=1)["beta"] > 0


def it_chooses_nothing_without_two_items_of_a_user():
    c = catalog(np.eye(3), np.ones(3, np.int64))
    assert similar.choose([], c, seed=1) is None
    assert similar.choose([user("a", 1), user("b", 2, 9)], c, seed=1) is None


def it_cuts_strata_with_equal_shares_of_the_trained_pairs():
    assert similar.strata(np.array([1, 10, 10, 9, 10, 10])).tolist() == [4, 0, 1, 4, 2, 3]
    assert similar.strata(np.array([100, 1, 1])).tolist() == [0, 4, 4]
