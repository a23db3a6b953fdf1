import numpy as np
import pytest

from recflow_glue import als, knn


@pytest.fixture
def dense():
    rng = np.random.default_rng(3)
    return (rng.random((50, 30)) < 0.3) & (np.arange(30) != 7)  # no user likes item 7


def compressed(dense: np.ndarray) -> tuple[als.Rows, als.Rows]:
    users, items = np.nonzero(dense)
    return als.compress(users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), dense.shape)


def similarities(dense: np.ndarray) -> np.ndarray:
    x = dense.astype(np.float64)
    root = np.maximum(1, np.sqrt(x.sum(axis=0)))
    out = x.T @ x / np.outer(root, root)
    np.fill_diagonal(out, 0)
    return out


def it_sums_the_similarities_to_the_history(dense):
    histories = [np.array([1, 4, 9]), np.array([], np.int64), np.array([7]), np.array([0])]
    got = list(knn.scores(*compressed(dense), histories, threads=2))
    want = similarities(dense)
    for scores, history in zip(got, histories, strict=True):
        assert scores == pytest.approx(want[history].sum(axis=0), abs=1e-6)


def it_counts_only_the_nearest_neighbors(dense, monkeypatch):
    monkeypatch.setattr(knn, "NEIGHBORS", 5)
    (got,) = knn.scores(*compressed(dense), [np.array([2])], threads=1)
    want = similarities(dense)[2]
    assert np.count_nonzero(got) == 5
    assert np.sort(got)[-5:] == pytest.approx(np.sort(want)[-5:], abs=1e-6)


def it_limits_the_users_by_the_pairs_to_read(dense):
    by_user, by_item = compressed(dense)
    cost = [int(dense[dense[:, i]].sum()) for i in range(30)]
    histories = [np.array([1, 2]), np.array([1]), np.array([2, 3])]
    assert knn.users_within(by_user, by_item, histories) == 3
    assert knn.users_within(by_user, by_item, histories, cost[1] + cost[2]) == 2
    assert knn.users_within(by_user, by_item, histories, cost[1]) == 0
