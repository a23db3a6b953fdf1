import numpy as np
import pytest

from recflow_glue import als, defaults
from recflow_glue.settings import Requested


def matrix(weights: np.ndarray) -> tuple[als.Rows, als.Rows]:
    users, items = np.nonzero(weights)
    return als.compress(
        users.astype(np.int32), items.astype(np.int32), weights[users, items].astype(np.float32), weights.shape
    )


def basis(singular_values=100, users=10_000, mean_weight=1.0, rank_limit=512) -> defaults.Basis:
    return defaults.Basis(users, 10_000, 25.0, 16.0, mean_weight, 9.0, rank_limit, singular_values)


def it_measures_the_matrix_and_counts_its_singular_values():
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 30, 400)[:, None] == rng.integers(0, 30, 300)[None, :]
    weights = np.where(rng.random((400, 300)) < np.where(groups, 0.7, 0.02), 2.5, 0.0)
    b = defaults.measure(*matrix(weights), rank_limit=512, count=True, seed=1, threads=2)
    ones = weights > 0
    assert b.mean_user_items == pytest.approx(ones.sum() / ones.any(axis=1).sum())
    assert b.mean_item_users == pytest.approx(ones.sum() / ones.any(axis=0).sum())
    assert b.noise == pytest.approx(b.mean_user_items**0.5 + b.mean_item_users**0.5)
    assert b.mean_weight == pytest.approx(2.5)
    assert b.singular_values == (np.linalg.svd(ones, compute_uv=False) > b.noise).sum()
    assert 20 < b.singular_values < 40


def it_counts_at_most_as_many_as_there_are_rows():
    b = defaults.measure(*matrix(np.eye(9) * 3), rank_limit=512, count=True, seed=1, threads=2)
    assert b.singular_values == 0  # all are 1, below 2


@pytest.mark.parametrize(
    ("found", "users", "limit", "want"),
    [
        (3, 10_000, 512, 64),
        (51, 10_000, 512, 64),
        (52, 10_000, 512, 128),
        (257, 10_000, 512, 512),
        (129, 10_000, 512, 256),
        (205, 10_000, 512, 512),
        (272, 10_000, 300, 256),
        (256, 10_000, 40, 64),
        (256, 10_000, -38, 64),
        (272, 1_300, 512, 256),
        (256, 50, 512, 128),
    ],
)
def it_chooses_a_rank(found, users, limit, want):
    assert defaults.choose_rank(basis(found, users, rank_limit=limit)) == want


def it_completes_the_settings():
    s = defaults.complete(Requested(), basis(mean_weight=2.0))
    assert (s.trainer, s.rank, s.iterations, s.alpha) == ("als", 128, 6, 2.5)
    assert (s.regularization, s.regularization_exponent, s.mean_items, s.seed) == (13.5, 0.5, 25.0, 42)
    s = defaults.complete(Requested(rank=512), basis(None))
    assert (s.rank, s.alpha, s.regularization) == (512, 10.0, 22.5)
    s = defaults.complete(
        Requested(trainer="als", rank=8, iterations=3, alpha=1.0, regularization=2.0, regularization_exponent=0.0),
        basis(None),
    )
    assert (s.rank, s.iterations, s.alpha, s.regularization, s.regularization_exponent) == (8, 3, 1.0, 2.0, 0.0)


def it_limits_the_rank_to_what_readers_can_hold():
    assert defaults.serving_rank(1000, 0) == 512
    for memory in (10**6, 3 * 10**6):
        k = defaults.serving_rank(1000, memory)
        assert 1000 * (4 * k + 8 * k // 3 + 256) <= memory
        assert 1000 * (4 * (k + 1) + 8 * (k + 1) // 3 + 256) > memory - 1000
