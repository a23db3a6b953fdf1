import numpy as np
import pytest

from recflow_glue import mllib
from recflow_glue.settings import Requested


def it_trains_with_the_maximum_number_of_iterations(spark, scratch, monkeypatch):
    """One block makes iterations fast; their lineage has the same length."""
    rng = np.random.default_rng(3)
    rows = [(u, i, float(rng.integers(1, 6))) for u in range(36) for i in range(20) if (i + u) % 4 == 0]
    pairs = spark.createDataFrame(rows, "user int, item int, weight float")
    monkeypatch.setattr(mllib, "block_count", lambda _: 1)
    requested = Requested(trainer="mllib", rank=2, iterations=100)
    requested.validate()
    sc = spark.sparkContext
    sc.setCheckpointDir(scratch.uri("checkpoints"))
    sc.setJobGroup("hundred", "")
    model = mllib.fit(pairs, mllib.complete(requested))
    assert mllib.iterations(sc, "hundred", 100) == 100
    assert len(sc.statusTracker().getJobIdsForGroup("hundred")) == 3 + 2 * 100 + 20 + 2
    assert model.userFactors.count() == 36
    assert len(list((scratch.folder / "checkpoints").glob("*/rdd-*"))) == 1  # ALS deletes all but the last


def it_derives_the_iteration_from_the_finished_jobs():
    preparing, iteration, checkpoint = 3, 2, 1
    jobs = 0
    for n in range(1, 101):
        first = preparing if n == 1 else iteration + checkpoint if n % 5 == 1 else iteration
        assert [mllib.iteration_at(jobs + i) for i in range(first)] == [n - 1] * first
        jobs += first
        assert mllib.iteration_at(jobs) == n


@pytest.mark.parametrize(("alpha", "want"), [(None, 2.0), (7.0, 7.0)])
def it_completes_the_settings(alpha, want):
    s = mllib.complete(Requested(alpha=alpha))
    assert (s.trainer, s.rank, s.iterations, s.alpha, s.regularization) == ("mllib", 64, 12, want, 0.1)
    assert (s.regularization_exponent, s.mean_items, s.seed) == (1.0, 1.0, 42)
