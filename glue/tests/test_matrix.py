import numpy as np
import pytest

from recflow_glue import matrix

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
    written, n = matrix.numbered(df, scratch, "n", "id", "number")
    assert n == 334
    first = {r["id"]: r["number"] for r in written.collect()}
    assert sorted(first.values()) == list(range(334))
    assert {r["id"]: r["number"] for r in written.orderBy("id").collect()} == first


def it_numbers_no_rows(spark, scratch):
    written, n = matrix.numbered(spark.range(0).selectExpr("string(id) id"), scratch, "n", "id", "number")
    assert (written.count(), n) == (0, 0)


def it_counts_all_users_and_trained_users(users):
    got = {r["item_id"]: r for r in matrix.item_counts(users).collect()}
    assert got["only held out"]["trained"] == 0
    likes = [set(r["history_items"]) for r in users.collect()]
    assert got["i0"]["popularity"] == sum("i0" in h for h in likes)
    assert got["i0"]["trained"] == sum("i0" in h for h in likes[:36])
