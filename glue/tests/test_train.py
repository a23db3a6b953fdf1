import numpy as np
import pytest
from conftest import at

from recflow_glue import train
from recflow_glue.arguments import Config
from recflow_glue.foldin import FoldIn, gram

USERS = "user int, user_id string, holdout boolean, history_items array<string>, history_weights array<float>"


@pytest.fixture
def users(spark):
    rng = np.random.default_rng(3)
    rows = []
    for u in range(40):
        liked = [f"i{i}" for i in range(20) if (i + u) % 4 == 0 or rng.random() < 0.1]
        rows.append((u, f"u{u}", u >= 36, liked, [float(w) for w in rng.integers(1, 6, len(liked))]))
    rows.append((40, "held out", True, ["only held out"], [1.0]))
    return spark.createDataFrame(rows, USERS)


def it_numbers_rows_densely_and_stably(spark, scratch):
    df = spark.range(1000, numPartitions=7).selectExpr("cast(id as string) id").where("id % 3 = 0")
    written, n = train.numbered(df, scratch, "n", "id", "number")
    assert n == 334
    first = {r["id"]: r["number"] for r in written.collect()}
    assert sorted(first.values()) == list(range(334))
    assert {r["id"]: r["number"] for r in written.orderBy("id").collect()} == first


def it_numbers_no_rows(spark, scratch):
    written, n = train.numbered(spark.range(0).selectExpr("string(id) id"), scratch, "n", "id", "number")
    assert (written.count(), n) == (0, 0)


def it_counts_all_users_and_trained_users(users):
    got = {r["item_id"]: r for r in train.item_counts(users).collect()}
    assert got["only held out"]["trained"] == 0
    likes = [set(r["history_items"]) for r in users.collect()]
    assert got["i0"]["popularity"] == sum("i0" in h for h in likes)
    assert got["i0"]["trained"] == sum("i0" in h for h in likes[:36])


def it_trains_user_vectors_that_equal_the_fold_in(users, scratch):
    items, _ = train.numbered(train.item_counts(users), scratch, "items", "item_id", "item")
    config = Config("b", "r", None, at(0), at(0), rank=6, iterations=3)
    model = train.fit(train.materialize(train.pairs(users, items), scratch, "pairs"), config)
    vectors = {r["id"]: np.array(r["features"], dtype=np.float32) for r in model.itemFactors.collect()}
    fold = FoldIn(gram(np.array([vectors[i] for i in sorted(vectors)])), config.alpha, config.regularization)
    number = {r["item_id"]: r["item"] for r in items.collect()}
    trained = {r["id"]: np.array(r["features"]) for r in model.userFactors.collect()}
    assert sorted(trained) == list(range(36))
    for r in users.where("not holdout").collect():
        got = fold.vector(
            np.array([vectors[number[i]] for i in r["history_items"]]), np.array(r["history_weights"], np.float32)
        )
        assert np.linalg.norm(got - trained[r["user"]]) / np.linalg.norm(trained[r["user"]]) < 1e-5


def it_trains_with_the_maximum_number_of_iterations(users, scratch, monkeypatch):
    """One block makes iterations fast; their lineage has the same length."""
    items, _ = train.numbered(train.item_counts(users), scratch, "items", "item_id", "item")
    pairs = train.materialize(train.pairs(users, items), scratch, "pairs")
    monkeypatch.setattr(train, "block_count", lambda _: 1)
    config = Config("b", "r", None, at(0), at(0), rank=2, iterations=100)
    config.validate()
    sc = pairs.sparkSession.sparkContext
    sc.setCheckpointDir(scratch.uri("checkpoints"))
    sc.setJobGroup("hundred", "")
    model = train.fit(pairs, config)
    assert len(sc.statusTracker().getJobIdsForGroup("hundred")) == 3 + 2 * 100 + 20 + 2, (
        "Progress relies on this number"
    )
    assert model.userFactors.count() == 36
    assert len(list((scratch.folder / "checkpoints").glob("*/rdd-*"))) == 1  # ALS deletes all but the last
