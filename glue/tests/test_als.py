import numpy as np
import pytest

from recflow_glue import als
from recflow_glue.foldin import FoldIn, gram
from recflow_glue.settings import Settings

USERS, ITEMS = 60, 40


def settings(**changes) -> Settings:
    given = {"rank": 8, "iterations": 3, "alpha": 2.0, "regularization": 3.0, "regularization_exponent": 0.5, "seed": 7}
    return Settings(trainer="als", mean_items=1.0, **(given | changes))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(5)
    users, items = np.nonzero(rng.random((USERS, ITEMS)) < 0.2)
    kept = (users != 3) & (items != 4)  # a user and an item without pairs
    users, items = users[kept].astype(np.int32), items[kept].astype(np.int32)
    return users, items, rng.uniform(0.01, 5, len(users)).astype(np.float32)


def dense_half_step(weights: np.ndarray, fixed: np.ndarray, s: Settings) -> np.ndarray:
    """Solve every row of a dense matrix of weights with the equation of the fold-in."""
    counts = (weights > 0).sum(axis=1)
    fold = FoldIn(gram(fixed), s.alpha, s.regularization, s.regularization_exponent, counts[counts > 0].mean())
    rows = [fold.vector(fixed, w) for w in weights]
    return np.array([np.zeros(fixed.shape[1], np.float32) if x is None else x for x in rows])


def objective(weights: np.ndarray, users: np.ndarray, items: np.ndarray, s: Settings) -> float:
    preferences = weights > 0
    total = ((1 + s.alpha * weights) * (preferences - users @ items.T) ** 2).sum()
    for axis, x in ((1, users), (0, items)):
        counts = preferences.sum(axis=axis)
        scale = (counts / counts[counts > 0].mean()) ** s.regularization_exponent
        total += s.regularization * (scale * (x**2).sum(axis=1)).sum()
    return float(total)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def it_reaches_the_objective_of_exact_alternating_least_squares(pairs, exponent):
    s = settings(iterations=8, regularization_exponent=exponent)
    weights = np.zeros((USERS, ITEMS))
    weights[pairs[0], pairs[1]] = pairs[2]
    items = np.random.default_rng(1).normal(size=(ITEMS, s.rank)).astype(np.float32) / 10
    for _ in range(s.iterations):
        users = dense_half_step(weights, items, s)
        items = dense_half_step(weights.T, users, s)
    want = objective(weights, dense_half_step(weights, items, s), items, s)
    got = objective(weights, *als.fit(*als.compress(*pairs, (USERS, ITEMS)), s, 2), s)
    assert got == pytest.approx(want, rel=0.01)


def it_returns_the_user_factors_that_the_fold_in_computes(pairs):
    s = settings()
    by_user, by_item = als.compress(*pairs, (USERS, ITEMS))
    users, items = als.fit(by_user, by_item, s, 2)
    fold = FoldIn(gram(items), s.alpha, s.regularization, s.regularization_exponent, als.mean_pairs(by_user))
    for u in range(USERS):
        own = slice(by_user.starts[u], by_user.starts[u + 1])
        want = fold.vector(items[by_user.columns[own]], by_user.weights[own])
        if want is None:
            assert not users[u].any()
        else:
            assert np.linalg.norm(users[u] - want) / np.linalg.norm(want) < 1e-6


def it_returns_the_same_bytes_for_any_number_of_threads_and_order_of_pairs(pairs, monkeypatch):
    monkeypatch.setattr(als, "TASK_PAIRS", 16)
    monkeypatch.setattr(als, "BLOCK", 8)
    order = np.random.default_rng(2).permutation(len(pairs[0]))
    shuffled = [x[order] for x in pairs]
    want = [x.tobytes() for x in als.fit(*als.compress(*pairs, (USERS, ITEMS)), settings(), 1)]
    for threads in (1, 2, 5):
        got = als.fit(*als.compress(*shuffled, (USERS, ITEMS)), settings(), threads)
        assert [x.tobytes() for x in got] == want


def it_stays_finite_with_a_rank_above_the_number_of_items_and_little_regularization(pairs):
    users, items = als.fit(*als.compress(*pairs, (USERS, ITEMS)), settings(rank=64, regularization=1e-6), 2)
    assert np.isfinite(users).all()
    assert np.isfinite(items).all()


def it_reports_every_iteration(pairs):
    seen = []
    als.fit(*als.compress(*pairs, (USERS, ITEMS)), settings(), 2, seen.append)
    assert seen == [1, 2, 3]


def it_compresses_pairs_in_any_order():
    users, items = np.array([2, 0, 2, 0], np.int32), np.array([1, 2, 0, 0], np.int32)
    by_user, by_item = als.compress(users, items, np.array([1, 2, 3, 4], np.float32), (3, 3))
    assert by_user.starts.tolist() == [0, 2, 2, 4]
    assert by_user.columns.tolist() == [0, 2, 0, 1]
    assert by_user.weights.tolist() == [4, 2, 3, 1]
    assert by_item.starts.tolist() == [0, 2, 3, 4]
    assert by_item.columns.tolist() == [0, 2, 2, 0]
    assert by_item.weights.tolist() == [4, 3, 1, 2]
    assert (als.mean_pairs(by_user), als.mean_pairs(by_item)) == (2, 4 / 3)


@pytest.mark.parametrize("sizes", [[], [0, 0], [5], [1, 100, 0, 1, 2, 3]])
def it_divides_all_rows_into_tasks(sizes, monkeypatch):
    monkeypatch.setattr(als, "TASK_PAIRS", 4)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = [r for first, last in als.tasks(starts) for r in range(first, last)]
    assert rows == list(range(len(sizes)))
