import numpy as np
import pytest

from recflow_glue import als, evaluate
from recflow_glue.foldin import FoldIn, gram
from recflow_glue.train import Matrix

VECTORS = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1], [0.1, 0.9]], dtype=np.float32)
CATALOG = evaluate.Catalog(list("abcde"), VECTORS, np.array([4, 3, 2, 2, 1]), 8, np.full(5, -1))
FOLD = FoldIn(gram(VECTORS), 5.0, 0.1, 1.0, 1.0)


def user(answers, past=("a",), seen=(), everything=("a", "b"), number=0, repeats=()) -> dict:
    ones = lambda items: [1.0] * len(items)  # noqa: E731
    return {
        "user": number, "history_items": list(everything), "history_weights": ones(everything),
        "past_items": list(past), "past_weights": ones(past), "past_seen": list(seen), "answers": answers, "repeats": list(repeats),
    }  # fmt: skip


def it_computes_recall_and_ndcg():
    hits = np.array([True, False, True])
    r20, r50, ndcg = evaluate.hit_metrics(hits, 4)
    assert (r20, r50) == (0.5, 0.5)
    ideal = sum(1 / np.log2(n + 1) for n in range(1, 5))
    assert ndcg == pytest.approx((1 + 1 / np.log2(4)) / ideal)
    many = evaluate.hit_metrics(np.ones(100, dtype=bool), 200)
    assert many == pytest.approx((1, 1, 1))


def it_omits_excluded_rows_and_breaks_ties_by_row():
    scores = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    assert evaluate.top_rows(scores, np.array([2])).tolist() == [1, 4, 3, 0]
    assert evaluate.top_rows(scores, np.array([], dtype=int), k=2).tolist() == [1, 2]
    assert evaluate.top_rows(scores, np.arange(5)).tolist() == []


def it_scores_candidate_and_popularity_on_the_same_answers():
    (s,) = evaluate.score([user(["b"])], CATALOG, FOLD)
    assert s.new["candidate"][:3] == (1, 1, 1)
    assert s.new["popularity"][:3] == (1, 1, 1)
    (s,) = evaluate.score([user(["c"], past=("d",), seen=("a", "b"))], CATALOG, FOLD)
    assert np.frombuffer(s.top["candidate"], np.int32).tolist() == [4, 2]
    assert np.frombuffer(s.top["popularity"], np.int32).tolist() == [2, 4]
    assert s.new["candidate"][3] == pytest.approx((3 + 2) / 2)


def it_returns_the_vector_of_the_whole_history():
    (s,) = evaluate.score([user(["b"])], CATALOG, FOLD)
    want = FOLD.vector(VECTORS[:2], np.ones(2, dtype=np.float32))
    assert np.frombuffer(s.vector, np.float32).tolist() == want.tolist()


def it_scores_unknown_answers_and_users_without_a_vector_as_misses():
    (s,) = evaluate.score([user(["unknown", "b"])], CATALOG, FOLD)
    assert s.new["candidate"][0] == 0.5
    (s,) = evaluate.score([user(["b"], past=("unknown",), everything=("unknown",))], CATALOG, FOLD)
    assert s.new["candidate"] == (0, 0, 0, 0)
    assert s.new["popularity"][0] == 1
    assert s.vector == b""


def it_folds_but_does_not_score_a_user_without_answers():
    (s,) = evaluate.score([user(None)], CATALOG, FOLD)
    assert (s.new, s.all, s.top) == ({}, {}, {})
    assert s.vector


def it_summarizes_metrics_with_a_bootstrap_over_users():
    found = list(
        evaluate.score([user(["b"], number=n) for n in range(5)] + [user(["unknown"], number=9)], CATALOG, FOLD)
    )
    got = evaluate.summarize(found, {}, 5, seed=1)
    assert got["users"] == 6
    recall = got["candidate"]["recall@20"]
    assert recall["value"] == pytest.approx(5 / 6)
    assert recall["low"] < recall["value"] <= recall["high"]
    assert got["candidate"]["coverage"]["value"] == 0.8
    assert evaluate.summarize(found, {}, 5, seed=1) == got
    assert evaluate.summarize([], {}, 5, seed=1)["users"] == 0


def it_computes_the_gram_matrix_in_double_precision():
    v = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)
    want = v.astype(np.float64).T @ v.astype(np.float64)
    assert np.allclose(gram(v), want, rtol=1e-12)
    assert (gram(v) == gram(v).T).all()


def it_scores_in_tasks_like_on_the_driver(spark, monkeypatch):
    users = [user(["b"], number=2), user(["c"], past=("d",), seen=("a",), number=0), user(None, number=1)]
    on_driver = evaluate.score_all(spark.sparkContext, users, CATALOG, FOLD)
    monkeypatch.setattr(evaluate, "MAX_DRIVER_SCORES", 0)
    assert evaluate.score_all(spark.sparkContext, users, CATALOG, FOLD) == on_driver
    assert [s.user for s in on_driver] == [0, 1, 2]
    assert evaluate.score_all(spark.sparkContext, [], CATALOG, FOLD) == []


def it_ranks_items_of_the_history_for_all_next_items():
    (s,) = evaluate.score([user(["e"], past=("a", "b"), repeats=("a",))], CATALOG, FOLD)
    assert s.new["candidate"][0] == 1
    assert s.all["candidate"][0] == 1  # a and e, of which the list has all five items
    assert s.all["candidate"][2] < 1
    assert len(s.all["popularity"]) == 3
    (s,) = evaluate.score([user(["unknown"], past=("a",), repeats=("a",))], CATALOG, FOLD)
    assert (s.new["candidate"][0], s.all["candidate"][0]) == (0, 0.5)


def it_scores_item_knn_on_the_same_users():
    liked = np.array([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    users_, items = np.nonzero(liked)
    rows = als.compress(users_.astype(np.int32), items.astype(np.int32), np.ones(len(items), np.float32), liked.shape)
    matrix = Matrix(list("abcde"), *rows)
    users = [user(["b"], number=1), user(["d"], number=2), user(None, number=3)]
    found = evaluate.score_knn(users, matrix, threads=1)
    assert sorted(found) == [1, 2]
    assert found[1].new["item_knn"][:3] == (1, 1, 1)
    assert found[2].new["item_knn"][0] == 0
    assert np.frombuffer(found[1].top["item_knn"], np.int32).tolist() == [1]  # c is not next to a
    got = evaluate.summarize(list(evaluate.score(users, CATALOG, FOLD)), found, 5, seed=1)
    assert (got["users"], got["item_knn_users"]) == (2, 2)
    assert got["item_knn"]["recall@20"]["value"] == 0.5
    difference = got["candidate"]["ndcg@100"]["value"] - got["item_knn"]["ndcg@100"]["value"]
    assert got["item_knn_difference"]["value"] == pytest.approx(difference)
    assert set(got["all"]) == {"candidate", "popularity", "item_knn"}
