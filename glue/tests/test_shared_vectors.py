"""Tests with the vectors that internal/recsys/shared_vectors_test.go also uses."""

import json
from datetime import datetime
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from data import frame, row, table
from pyspark.sql import functions as F

from recflow_glue import arrays, checks, events, holdout, interest
from recflow_glue.arguments import Interest
from recflow_glue.foldin import FoldIn

TOLERANCE = 1e-6
TESTDATA = Path(__file__).resolve().parents[2] / "internal" / "recsys" / "testdata"


def cases(name: str) -> list[dict]:
    return json.loads((TESTDATA / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("c", cases("foldin"))
def it_solves_the_shared_vectors(c):
    k = c["dimension"]
    settings = [c[name] for name in ("alpha", "regularization", "regularization_exponent", "mean_items")]
    fold = FoldIn(np.array(c["gram"]).reshape(k, k), *settings)
    got = fold.vector(np.array(c["items"], dtype=np.float32), np.array(c["weights"], dtype=np.float32))
    want = np.array(c["vector"])
    assert np.linalg.norm(got - want) / np.linalg.norm(want) <= TOLERANCE


def it_weighs_the_shared_histories(spark):
    all_cases = cases("history")
    key = lambda c: json.dumps(c["interest"], sort_keys=True)  # noqa: E731
    for rules, cases_ in groupby(sorted(all_cases, key=key), key=key):
        group = list(cases_)
        rows = [as_row(e, c["name"]) for c in group for e in c["events"]]
        weighed = interest.histories(events.deduplicate(frame(spark, rows)), Interest(**json.loads(rules)))
        got = {r["user_id"]: r for r in weighed.withColumn("reference_time", F.unix_micros("reference_time")).collect()}
        for c in group:
            expect_history(c, got[c["name"]])


def it_weighs_the_shared_histories_on_the_driver():
    for c in cases("history"):
        first = {}  # event of each id, as in events.deduplicate
        for e in sorted(c["events"], key=lambda e: (datetime.fromisoformat(e["occurred_at"]), e["event_id"])):
            first.setdefault(e["event_id"], e)
        rows = table([as_row(e, c["name"]) for e in reversed(first.values())])
        (got,) = arrays.histories(rows, Interest(**c["interest"])).to_pylist()
        at = got["reference_time"]
        expect_history(c, got | {"reference_time": at and events.to_micros(at)})


def it_keeps_the_heaviest_items(spark):
    """The events of TestExtend_keeps_the_heaviest_items in internal/recsys."""
    kinds = {"b": interest.MAX_ITEMS - 100, "c": 60, "a": 60, "none": 60}
    rows = [row(f"{k}{i}", "u", f"{k[0]}{i:05}", k) for k, n in kinds.items() for i in range(n)]
    rules = Interest(weights={"a": 1, "b": 2, "c": 3}, half_life_seconds=0)
    want = [f"{k}{i:05}" for k, n in (("a", 40), ("b", interest.MAX_ITEMS - 100), ("c", 60)) for i in range(n)]
    (got,) = interest.histories(frame(spark, rows), rules).collect()
    assert (got["history_items"], got["seen_items"]) == (want, [])
    assert set(zip((i[0] for i in got["history_items"]), got["history_weights"], strict=True)) == {
        ("a", 1.0),
        ("b", 2.0),
        ("c", 3.0),
    }
    (past,) = arrays.histories(table(rows), rules).to_pylist()
    assert [past[n] for n in ("history_items", "history_weights", "seen_items")] == [want, got["history_weights"], []]
    few = [r for r in rows if r["event_type"] in ("b", "none")]
    (got,) = interest.histories(frame(spark, few), rules).collect()
    (past,) = arrays.histories(table(few), rules).to_pylist()
    assert got["seen_items"] == past["seen_items"] == [f"n{i:05}" for i in range(60)]


def it_aggregates_rows_in_sorted_order(spark, capsys):
    """With a hash table the order of the sums, and so the result, would depend on the available memory."""
    interest.histories(frame(spark, []), Interest()).explain()
    plan = capsys.readouterr().out
    assert "SortAggregate(key=[user_id" in plan
    assert plan.count("Sort [user_id") == 1


def as_row(e: dict, case: str) -> dict:
    """Return an event with the case as user and as prefix of the event id, which keeps the order of the ids."""
    t = datetime.fromisoformat(e["occurred_at"])
    value = None if e.get("value") is None else float(e["value"])
    rest = {"value": value, "stored_at": None, "streamed": False}
    return {
        "event_id": f"{case}/{e['event_id']}",
        "user_id": case,
        "item_id": e["item_id"],
        "event_type": e["event_type"],
        "occurred_at": t,
    } | rest


def expect_history(c: dict, got) -> None:
    assert dict(zip(got["history_items"], got["history_weights"], strict=True)) == pytest.approx(
        dict(zip(c["items"], c["weights"], strict=True)), rel=TOLERANCE
    ), c["name"]
    assert sorted(got["seen_items"]) == c["seen"], c["name"]
    want = c["reference_time"] and events.to_micros(datetime.fromisoformat(c["reference_time"]))
    assert got["reference_time"] == want, c["name"]


def it_trains_on_the_streamed_times_that_the_stream_stores(spark):
    """An event whose time the stream refuses is written with that time, as a stream without the rule did."""
    for arrived, cases_ in groupby(cases("event_times"), key=lambda c: c["arrived_at"]):
        group, read_at = list(cases_), datetime.fromisoformat(arrived)
        times = {c["name"]: datetime.fromisoformat(c["stored"] or c["occurred_at"]) for c in group}
        rows = [row(name, stored=0) | {"occurred_at": t} for name, t in times.items()]
        df = frame(spark, rows).withColumn("_corrupt", F.lit(None).cast("string"))
        kept = {r["event_id"] for r in df.where(~checks.invalid_streamed(read_at)).collect()}
        assert kept == {c["name"] for c in group if c["stored"]}


def it_selects_the_shared_users(spark):
    for c in cases("holdout"):
        df = spark.createDataFrame([(u,) for u in c["users"]], "user_id string")
        got = {r[0]: r[1] for r in df.select("user_id", holdout.contains(c["bound"])).collect()}
        assert got == c["users"], c["bound"]


def it_hashes_the_shared_event_sets(spark):
    for c in cases("eventset"):
        df = spark.createDataFrame([(i,) for i in c["ids"]], "event_id string")
        assert events.unsigned_hex(df.agg(events.id_hash("event_id")).first()[0]) == c["hash"]
