import numpy as np
import pytest

from recflow_glue import evaluate
from recflow_glue.foldin import FoldIn, gram

VECTORS = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0, 1], [0.1, 0.9]], dtype=np.float32)
CATALOG = evaluate.Catalog(list("abcde"), VECTORS, np.array([4, 3, 2, 2, 1]), 8)
FOLD = FoldIn(gram(VECTORS), 5.0, 0.1, 1.0, 1.0)


def user(answers, past=("a",), seen=(), everything=("a", "b"), number=0) -> dict:
    ones = lambda items: [1.0] * len(items)  # noqa: E731
    return {
        "user": number, "history_items": list(everything), "history_weights": ones(everything),
        "past_items": list(past), "past_weights": ones(past), "past_seen": list(seen), "answers": answers,
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
    assert s.candidate[:3] == (1, 1, 1)
    assert s.popularity[:3] == (1, 1, 1)
    (s,) = evaluate.score([user(["c"], past=("d",), seen=("a", "b"))], CATALOG, FOLD)
    assert np.frombuffer(s.top[0], np.int32).tolist() == [4, 2]
    assert np.frombuffer(s.top[1], np.int32).tolist() == [2, 4]
    assert s.candidate[3] == pytest.approx((3 + 2) / 2)


def it_returns_the_vector_of_the_whole_history():
    (s,) = evaluate.score([user(["b"])], CATALOG, FOLD)
    want = FOLD.vector(VECTORS[:2], np.ones(2, dtype=np.float32))
    assert np.frombuffer(s.vector, np.float32).tolist() == want.tolist()


def it_scores_unknown_answers_and_users_without_a_vector_as_misses():
    (s,) = evaluate.score([user(["unknown", "b"])], CATALOG, FOLD)
    assert s.candidate[0] == 0.5
    (s,) = evaluate.score([user(["b"], past=("unknown",), everything=("unknown",))], CATALOG, FOLD)
    assert s.candidate == (0, 0, 0, 0)
    assert s.popularity[0] == 1
    assert s.vector == b""


def it_folds_but_does_not_score_a_user_without_answers():
    (s,) = evaluate.score([user(None)], CATALOG, FOLD)
    assert s.candidate is None
    assert s.vector


def it_summarizes_metrics_with_a_bootstrap_over_users():
    found = list(
        evaluate.score([user(["b"], number=n) for n in range(5)] + [user(["unknown"], number=9)], CATALOG, FOLD)
    )
    got = evaluate.summarize(found, 5, seed=1)
    assert got["users"] == 6
    recall = got["candidate"]["recall@20"]
    assert recall["value"] == pytest.approx(5 / 6)
    assert recall["low"] < recall["value"] <= recall["high"]
    assert got["candidate"]["coverage"]["value"] == 0.8
    assert evaluate.summarize(found, 5, seed=1) == got
    assert evaluate.summarize([], 5, seed=1)["users"] == 0


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
