"""Runs the whole job on a small shop in the emulator."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import ConnectTimeoutError
from conftest import at
from data import put_interactions, put_items, put_stream, row, shop
from proxy import losing_answers

from recflow_glue import checks, job, matrix, prepare, summary, train
from recflow_glue.arguments import Config, Interest
from recflow_glue.attempt import Attempt
from recflow_glue.foldin import FoldIn
from recflow_glue.progress import Progress
from recflow_glue.settings import Requested
from recflow_glue.storage import Bucket, Scratch

DAY = 86400
SMALL = Requested(rank=8, iterations=4)
ENTRY = Path(__file__).resolve().parents[1] / "glue_job.py"


@pytest.fixture
def filled(spark, bucket):
    put_interactions(bucket, shop())
    put_items(bucket, [f"item{i}" for i in range(39)])
    put_stream(
        bucket,
        [
            row("s1", "user0", "item1", "purchase", DAY, stored=DAY + 1),
            row("s2", "user0", "item2", "click", DAY, stored=90 * DAY),
        ],
    )
    return bucket


def config(bucket, run_id="r1", training=SMALL, **changes) -> Config:
    given = {"training": training, "interest": Interest(half_life_seconds=30 * DAY)} | changes
    return Config(bucket.name, run_id, None, at(60 * DAY), at(50 * DAY), **given)


def manifest_of(bucket, run_id="r1") -> dict:
    return json.loads(bucket.get(f"embeddings/run={run_id}/manifest.json"))


def rows_of(bucket, manifest, kind) -> list[dict]:
    keys = [f["key"] for f in manifest["files"] if f["kind"] == kind]
    columns = {
        "items": ["item_id", "embedding", "title", "popularity", "available"],
        "holdout": ["user_id", "event_id", "item_id", "answer"],
    }
    users = ["user_id", "embedding", "history_items", "history_weights", "reference_time", "seen_items"]
    return bucket.read_parquet(keys, columns.get(kind, users)).to_pylist()


@pytest.fixture(params=["als", "mllib"])
def trained(request, filled, capfd):
    """Return the bucket, manifest and output of a finished run, of each trainer."""
    job.run(config(filled, training=Requested(trainer=request.param, rank=8, iterations=4)))
    return filled, manifest_of(filled), capfd.readouterr().out


def it_trains_and_writes_a_whole_run(trained):
    bucket, m, printed = trained
    expect_manifest(m)
    expect_files(bucket, m)
    expect_vectors(bucket, m)
    expect_progress(bucket, printed)
    assert [o.key for o in bucket.objects("embeddings/run=r1/_scratch/")] == []


def expect_manifest(m: dict) -> None:
    assert (m["schema_version"], m["run_id"], m["dimension"], len(m["gram"])) == (1, "r1", 8, 64)
    assert m["coverage"] == {
        "from": "0001-01-01T00:00:00Z",
        "to": "2017-03-02T00:00:00.000000Z",
        "stored_to": "2017-02-20T00:00:00.000000Z",
    }
    assert m["interest"]["half_life_seconds"] == 30 * DAY
    assert m["input"]["rows"] == m["input"]["events"] + 1
    assert m["input"]["users"] == 80
    streamed = {"count": 1, "hash": hashlib.sha256(b"s1").hexdigest()[:16]}
    assert m["input"]["streamed"] | streamed == m["input"]["streamed"]
    assert [d["count"] for d in m["input"]["streamed"]["days"]] == [1]
    assert sum(m["input"]["event_type_shares"].values()) == pytest.approx(1)
    assert sum(t["events"] for t in m["input"]["event_types"]) == m["input"]["events"]
    assert sum(s["users"] for s in m["input"]["user_types"]) == 80
    assert sum(s["items"] for s in m["input"]["item_types"]) == m["input"]["items"]
    assert m["input"]["users_without_interest"] == m["input"]["items_without_interest"] == 0
    assert [c["message"] for c in m["checks"] if c["passed"] and "; " in c["message"]] == []
    failed = [c["rule"] for c in m["checks"] if not c["passed"]]
    assert failed == ["unknown_items"]
    metrics = m["metrics"]
    assert metrics["users"] >= 4
    assert metrics["candidate"]["ndcg@100"]["value"] > metrics["popularity"]["ndcg@100"]["value"]
    similar = m["similar"]
    assert (similar["beta"], similar["users"]) == (0, 5)
    assert [g["beta"] for g in similar["grid"]] == [0, 0.25, 0.5, 0.75, 1]
    assert all(0 < g[name] <= 1 for g in similar["grid"] for name in g.keys() - {"beta"})


def expect_files(bucket, m: dict) -> None:
    assert {f["kind"] for f in m["files"]} == {"items", "users", "holdout"}
    for f in m["files"]:
        body = bucket.get(f["key"])
        assert f["key"].startswith(f"embeddings/run=r1/{f['kind']}/")
        assert (f["bytes"], f["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    for kind in ("items", "users", "holdout"):
        assert len(rows_of(bucket, m, kind)) == sum(f["rows"] for f in m["files"] if f["kind"] == kind)


def expect_vectors(bucket, m: dict) -> None:
    """Every user's vector is the fold-in of the published history."""
    items = {r["item_id"]: np.array(r["embedding"], dtype=np.float32) for r in rows_of(bucket, m, "items")}
    settings = [m["parameters"][name] for name in ("alpha", "regularization", "regularization_exponent", "mean_items")]
    fold = FoldIn(np.array(m["gram"]).reshape(8, 8), *settings)
    users = rows_of(bucket, m, "users")
    assert len({u["user_id"] for u in users}) == 80
    for u in users:
        pairs = [(items[i], w) for i, w in zip(u["history_items"], u["history_weights"], strict=True) if i in items]
        assert (u["embedding"] is None) == (not pairs)
        if pairs:
            got = fold.vector(np.array([v for v, _ in pairs]), np.array([w for _, w in pairs], dtype=np.float32))
            assert np.linalg.norm(got - u["embedding"]) / np.linalg.norm(u["embedding"]) < 1e-5
    user0 = next(u for u in users if u["user_id"] == "user0")
    assert "item1" in user0["history_items"]


def expect_progress(bucket, printed: str) -> None:
    lines = [
        json.loads(line.removeprefix("RECFLOW_PROGRESS "))
        for line in printed.splitlines()
        if line.startswith("RECFLOW_PROGRESS ")
    ]
    stages = list(dict.fromkeys(p["stage"] for p in lines))
    assert stages == ["read", "validate", "prepare", "train", "write", "evaluate"]
    assert [p for p in lines if p["stage"] == "train"][-1]["done"] == 4
    assert json.loads(bucket.get("embeddings/run=r1/_progress.json")).keys() >= {"stage", "done", "total"}


def it_trains_the_same_bytes_again(filled):
    vectors = []
    for run in ("r1", "r2"):
        job.run(config(filled, run, training=Requested()))
        m = manifest_of(filled, run)
        rows = {kind: rows_of(filled, m, kind) for kind in ("items", "users")}
        vectors.append([sorted((r[f"{kind[:-1]}_id"], r["embedding"]) for r in found) for kind, found in rows.items()])
        assert m["defaults"]["singular_values"] > 0
        assert m["parameters"] | {"trainer": "als", "rank": 64, "iterations": 6} == m["parameters"]
        assert set(m["libraries"]) == {"numba", "numpy", "pyarrow", "pyspark"}
    assert vectors[0] == vectors[1]


def it_counts_streamed_events_before_the_range_and_keeps_the_heaviest_items(spark, bucket, scratch, monkeypatch):
    rows = [row(f"e{n}", f"user{n % 20}", f"item{n % 17}", seconds=10 * DAY + n) for n in range(200)]
    put_interactions(bucket, rows)
    put_stream(
        bucket,
        [
            row("before", "user0", "item0", seconds=DAY, stored=DAY),
            row("in", "user1", "new", seconds=11 * DAY, stored=11 * DAY),
            row("shown", "onlooker", "new", "impression", seconds=11 * DAY, stored=11 * DAY),
        ],
    )
    for module in (prepare.interest, prepare.arrays):
        monkeypatch.setattr(module, "MAX_ITEMS", 10)
    given = Config(bucket.name, "r1", at(2 * DAY), at(60 * DAY), at(50 * DAY), interest=Interest())
    r = Attempt(spark, given, bucket, scratch, Progress(spark.sparkContext, bucket, "p"), "a", datetime.now(UTC))
    found = prepare.validate(r, prepare.read(r))
    r.progress.close()
    bits = 0
    for e in (b"before", b"in", b"shown"):
        bits ^= int(hashlib.sha256(e).hexdigest()[:16], 16)
    assert (found.summary["streamed"]["count"], found.summary["streamed"]["hash"]) == (3, f"{bits:016x}")
    assert (found.summary["events"], found.summary["users"], found.summary["items"]) == (202, 20, 18)
    assert found.summary["event_type_shares"]["impression"] == 1 / 202
    sizes = [len(u["history_items"]) for u in found.users.collect()]
    assert (len(sizes), max(sizes)) == (20, 10)
    assert [c.rule for c in r.checks if not c.passed] == ["history_size"]


def prepared(spark, bucket, scratch, given: Config) -> tuple[prepare.Input, dict[str, checks.Check]]:
    """Run the stages before the training. Returns the input, and the checks that did not pass by rule."""
    r = Attempt(spark, given, bucket, scratch, Progress(spark.sparkContext, bucket, "p"), "a", datetime.now(UTC))
    try:
        found = prepare.validate(r, prepare.read(r))
    finally:
        r.progress.close()
    return found, {c.rule: c for c in r.checks if not c.passed}


def it_does_not_count_what_was_returned(spark, bucket, scratch):
    """Every user buys ten items of which two are the most bought ones, and sends these two back."""
    kept = [
        row(f"k{u}-{n}", f"user{u}", f"item{(u + n) % 16}", "purchase", DAY + n, 1.0)
        for u in range(20)
        for n in range(8)
    ]
    back = [(u, item) for u in range(20) for item in ("back0", "back1")]
    bought = [row(f"b{u}-{item}", f"user{u}", item, "purchase", 2 * DAY, 2.0) for u, item in back]
    returned = [row(f"r{u}-{item}", f"user{u}", item, "Purchase", 9 * DAY, -2.0) for u, item in back]
    put_interactions(bucket, kept + bought + returned)
    found, failed = prepared(spark, bucket, scratch, config(bucket))
    assert failed == {}
    assert {i["item_id"] for i in found.items.collect()} == {f"item{n}" for n in range(16)}
    assert (found.summary["users_without_interest"], found.summary["items_without_interest"]) == (0, 2)
    seen = [set(u["seen_items"]) for u in found.users.select("seen_items").collect()]
    assert all(s == {"back0", "back1"} for s in seen)


def it_names_the_types_that_weigh_nothing_if_nothing_counts(spark, bucket, scratch):
    put_interactions(bucket, [row(f"t{n}", f"user{n % 20}", f"item{n % 17}", "transaction", n) for n in range(100)])
    cause = (
        r"rule minimum_users: 0 users .*MOST EVENTS TRAIN NOTHING: .* no weight: transaction \(100.0%\); .*--interest"
    )
    with pytest.raises(checks.DataInvalid, match=cause):
        prepared(spark, bucket, scratch, config(bucket))


def it_trains_on_types_that_the_interest_names(spark, bucket, scratch):
    put_interactions(
        bucket, [row(f"t{n}", f"user{n % 20}", f"item{n % 17}", "Add-to-Basket", n, 3.0) for n in range(100)]
    )
    given = config(
        bucket, interest=Interest({"addToBasket": 2.0}, value_use={"add_to_basket": "value"}, half_life_seconds=0)
    )
    found, failed = prepared(spark, bucket, scratch, given)
    assert failed == {}
    user0 = found.users.where("user_id = 'user0'").first()
    assert sorted(user0["history_weights"]) == [6.0] * 5


def it_waits_for_streamed_events_that_are_late(spark, bucket, scratch, monkeypatch, capfd):
    put_stream(bucket, [row("early", stored=DAY)])
    late = threading.Timer(2, lambda: put_stream(bucket, [row("late", stored=DAY)], "late"))
    late.start()
    monkeypatch.setattr(prepare, "LATE_PERIOD", 0.5)
    given = Config(bucket.name, "r1", None, at(60 * DAY), at(50 * DAY), expected_streamed=2, late_wait=600)
    r = Attempt(spark, given, bucket, scratch, Progress(spark.sparkContext, bucket, "p"), "a", datetime.now(UTC))
    raw, streamed = prepare.read_events(r)
    assert (raw.rows.count(), streamed.count) == (2, 2)
    printed = capfd.readouterr().out
    assert '"stage": "wait for events", "done": 1, "total": 2' in printed
    assert "waiting for 1 streamed events" in printed

    another = Scratch(bucket, "embeddings/run=r1/_scratch/b/", True)
    r = dataclasses.replace(r, config=dataclasses.replace(given, expected_streamed=3, late_wait=1), scratch=another)
    _, streamed = prepare.read_events(r)
    r.progress.close()
    another.remove()
    assert streamed.count == 2, "it goes on without an event that never arrives; the gate refuses the version"
    assert "1 streamed events have not arrived" in capfd.readouterr().out


def it_trains_in_spite_of_many_invalid_streamed_events(bucket, spark, scratch):
    """A producer sends as many invalid events as there are valid ones, and as many types as events. What
    Postgres has of them is in the fingerprint, or the gate coverage would refuse every version."""
    put_interactions(bucket, shop())
    wrong = [row(f"old{n}", seconds=-46.5 * 365 * DAY, stored=DAY) for n in range(500)]
    types = [row(f"t{n}", f"user{n % 80}", f"item{n % 40}", f"type{n:03}", DAY, stored=DAY) for n in range(200)]
    put_stream(bucket, wrong + types)
    r = Attempt(
        spark, config(bucket), bucket, scratch, Progress(spark.sparkContext, bucket, "p"), "a", datetime.now(UTC)
    )
    found = prepare.validate(r, prepare.read(r))
    r.progress.close()
    failed = {c.rule: (c.severity, c.count) for c in r.checks if not c.passed}
    assert failed == {"streamed_rows": ("warning", 500), "event_types": ("warning", 46)}
    assert found.summary["streamed"]["count"] == 700
    shares = found.summary["event_type_shares"]
    assert len(shares) == summary.MAX_TYPES + 1
    assert shares["other"] == pytest.approx(154 / found.summary["events"])  # four types are more frequent
    assert shares["type000"] > 0
    assert "type199" not in shares
    assert sum(shares.values()) == pytest.approx(1)


def it_does_nothing_if_the_manifest_exists(trained):
    bucket, _, _ = trained
    before = [(o.key, o.size) for o in bucket.objects("embeddings/")]
    assert job.run(config(bucket, training=Requested(rank=16))) == "embeddings/run=r1/manifest.json"
    assert [(o.key, o.size) for o in bucket.objects("embeddings/")] == before


def it_discards_its_result_if_another_attempt_completed_first(filled, monkeypatch, faults):
    """Another job with the same run id writes its manifest while this one trains."""
    real = job.attempt_run
    other = json.dumps({"run_id": "r1"}).encode()

    def overtaken(r):
        body = real(r)
        assert r.bucket.put_if_absent("embeddings/run=r1/manifest.json", other)
        r.bucket.put("embeddings/run=r1/items/attempt=other/part-0.parquet", b"other")
        faults["overtaken"] += 1
        return body

    monkeypatch.setattr(job, "attempt_run", overtaken)
    job.run(config(filled))
    left = [o.key for o in filled.objects("embeddings/run=r1/") if "attempt=" in o.key]
    assert left == ["embeddings/run=r1/items/attempt=other/part-0.parquet"]
    assert filled.get("embeddings/run=r1/manifest.json") == other


def it_keeps_its_result_if_the_answer_of_the_manifest_is_lost(filled, endpoint, monkeypatch, faults):
    with losing_answers(endpoint, "/manifest.json", 1, faults) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy)
        job.run(config(filled))
    expect_files(filled, manifest_of(filled))


def it_keeps_its_files_if_it_cannot_know_whether_the_manifest_was_written(filled, monkeypatch, faults):
    def unanswered(bucket, key, body):
        faults["unanswered"] += 1
        bucket.put(key, body)
        raise ConnectTimeoutError(endpoint_url="s3")

    monkeypatch.setattr(Bucket, "put_if_absent", unanswered)
    with pytest.raises(ConnectTimeoutError):
        job.run(config(filled))
    expect_files(filled, manifest_of(filled))


def it_stops_before_training_on_invalid_data(spark, bucket, monkeypatch):
    put_interactions(bucket, [*shop(users=4), row("bad", item_id="")])
    monkeypatch.setattr(train, "run", lambda *a: pytest.fail("training started"))
    with pytest.raises(checks.DataInvalid, match=r"rule bad_ids: 1 rows have an id that is empty.*bad"):
        job.run(config(bucket))
    assert [o.key for o in bucket.objects("embeddings/") if "_progress" not in o.key] == []


def it_compares_with_the_previous_version(spark, bucket, monkeypatch):
    put_interactions(bucket, shop(users=4))
    bucket.put("previous.json", json.dumps({"input": {"event_type_shares": {"rating": 1.0}}}).encode())
    seen = []
    monkeypatch.setattr(checks, "minimums", lambda *a: [])
    monkeypatch.setattr(matrix, "pairs", lambda *a: seen.append(a) or pytest.fail("enough"))
    shares = []
    real = checks.event_type_shares
    monkeypatch.setattr(checks, "event_type_shares", lambda now, before: shares.append(real(now, before)) or shares[0])
    with pytest.raises(pytest.fail.Exception, match="enough"):
        job.run(config(bucket, previous_manifest="previous.json"))
    assert (shares[0].passed, shares[0].severity) == (False, "warning")


def it_prints_the_error_as_the_last_line(endpoint, bucket):
    """Runs the entry point in a separate process, on a bucket without events."""
    arguments = [
        "--bucket",
        bucket.name,
        "--run_id",
        "r1",
        "--to",
        "2017-03-01T00:00:00Z",
        "--stored_to",
        "2017-03-01T00:00:00Z",
    ]
    done = subprocess.run(
        [sys.executable, str(ENTRY), *arguments],
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RECFLOW_ERROR DataInvalid: rule minimum_events: 0 covered events, at least 50 are needed")
