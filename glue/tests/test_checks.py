import pytest
from conftest import at
from data import frame, row
from pyspark.sql import functions as F

from recflow_glue import checks, events
from recflow_glue.arguments import Minimum
from recflow_glue.settings import Settings


def check_rows(spark, rows, corrupt=(), broken=()) -> dict:
    lines = F.when(F.col("event_id").isin(list(corrupt)), "not json") if corrupt else F.lit(None).cast("string")
    raw = events.Raw(frame(spark, rows).withColumn("_corrupt", lines), 1, 1, list(broken))
    n, found = checks.rows(raw, at(0))
    assert n == len(rows)
    return {c.rule: c for c in found}


def good(n: int) -> list[dict]:
    return [row(f"good{i}", seconds=-i) for i in range(n)]


def it_passes_good_rows(spark):
    assert all(c.passed for c in check_rows(spark, good(3)).values())


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("null_ids", row("x", user_id=None)),
        ("null_ids", row("x", event_type=None)),
        ("bad_ids", row("x", item_id="")),
        ("bad_ids", row("x", user_id="a\tb")),
        ("bad_ids", row("x", item_id="é" * 129)),
        ("null_times", row("x") | {"occurred_at": None}),
        ("time_range", row("x", seconds=86401)),
        ("time_range", row("x", seconds=-47 * 365 * 86400)),
    ],
)
def it_fails_only_the_rule_that_a_row_violates(spark, rule, bad):
    found = check_rows(spark, [*good(5), bad])
    assert [c.rule for c in found.values() if not c.passed] == [rule]
    c = found[rule]
    assert (c.severity, c.count, c.samples) == ("error", 1, ["x"])
    with pytest.raises(checks.DataInvalid, match=f"rule {rule}: 1 .*x"):
        checks.stop_on_failure(list(found.values()))


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("null_ids", row("x", user_id=None, stored=0)),
        ("bad_ids", row("x", item_id="a\tb", stored=0)),
        ("null_times", row("x", stored=0) | {"occurred_at": None}),
        ("null_times", row("x", stored=0) | {"stored_at": None}),
        ("time_range", row("x", seconds=-47 * 365 * 86400, stored=0)),
        ("time_range", row("x", seconds=86401, stored=0)),
    ],
)
def it_warns_about_streamed_rows_and_drops_them(spark, rule, bad):
    rows = [*good(2), row("streamed", stored=0), *(bad | {"event_id": f"x{n}"} for n in range(3))]
    found = check_rows(spark, rows)
    assert [c.rule for c in found.values() if not c.passed] == ["streamed_rows"]
    c = found["streamed_rows"]
    assert (c.severity, c.count, c.samples) == ("warning", 3, ["x0", "x1", "x2"])
    assert c.message == f"3 streamed rows are not trained on ({rule}: 3)"
    checks.stop_on_failure(list(found.values()))
    kept = frame(spark, rows).withColumn("_corrupt", F.lit(None).cast("string")).where(~checks.invalid_streamed(at(0)))
    assert sorted(r["event_id"] for r in kept.collect()) == ["good0", "good1", "streamed"]


def it_counts_unreadable_objects_and_lines(spark):
    rows = [*good(1), row("x", user_id=None, stored=0) | {"stored_at": None}]
    found = check_rows(spark, rows, corrupt=["x"], broken=[("raw/a.parquet", "no footer")])
    c = found["schema"]
    assert (c.severity, c.passed, c.count, c.samples) == ("error", False, 1, ["raw/a.parquet"])
    assert "no footer" in c.message
    c = found["streamed_rows"]
    assert (c.severity, c.count, c.message) == ("warning", 1, "1 streamed rows are not trained on (schema: 1)")


def it_warns_about_ratings_without_a_value(spark):
    found = check_rows(
        spark, [*good(1), row("x", event_type="rating"), row("y", event_type="rating", value=float("nan"))]
    )
    assert found["rating_values"].count == 2
    checks.stop_on_failure(list(found.values()))


def it_tolerates_a_few_conflicts_but_not_many(spark):
    rows = [row("e", item_id="a"), row("e", item_id="b"), row("d"), row("d")]
    found = events.deduplicate(frame(spark, rows))
    _, duplicates, conflicts = checks.duplicates(found, 4)
    assert (duplicates.severity, duplicates.count) == ("warning", 2)
    assert (conflicts.severity, conflicts.passed, conflicts.count, conflicts.samples) == ("error", False, 1, ["e"])
    assert checks.duplicates(found, 100)[2].passed
    assert all(c.passed for c in checks.duplicates(None, 4))


def it_only_warns_about_streamed_conflicts(spark):
    rows = [row("e", item_id="a", stored=1), row("e", item_id="b", stored=2)]
    found = checks.duplicates(events.deduplicate(frame(spark, rows)), 2)
    assert [(c.rule, c.severity, c.count) for c in found if not c.passed] == [
        ("streamed_conflicts", "warning", 1),
        ("duplicates", "warning", 1),
    ]


def it_warns_about_items_without_metadata(spark):
    counts = spark.createDataFrame([("a", 3), ("b", 2), ("c", 1)], "item_id string, events long")
    known = spark.createDataFrame([("a", "A")], "item_id string, title string")
    n, c = checks.unknown_items(counts, known)
    assert (n, c.severity, c.passed, c.count, c.samples) == (3, "warning", False, 3, ["b"])
    n, c = checks.unknown_items(counts, None)
    assert (n, c.passed) == (3, True)


def it_requires_minimums():
    found = {"events": 50, "users": 9, "items": 10}
    failed = [c for c in checks.minimums(Minimum(10, 10, 50), found) if not c.passed]
    assert [(c.rule, c.count, c.severity) for c in failed] == [("minimum_users", 9, "error")]
    assert failed[0].message.endswith("at least 10 are needed; extend the time range, or import more events")
    failed = [c for c in checks.minimums(Minimum(10, 10, 50), found, "no type has a weight") if not c.passed]
    assert "at least 10 are needed; no type has a weight; extend" in failed[0].message


def it_compares_event_type_shares_with_the_previous_version():
    assert checks.event_type_shares({"click": 1.0}, None).passed
    assert checks.event_type_shares({"click": 0.9, "view": 0.1}, {"click": 1.0}).passed
    c = checks.event_type_shares({"click": 1.0}, {"click": 0.6, "purchase": 0.4})
    assert (c.passed, c.severity, c.count) == (False, "warning", 2)
    assert "purchase 40% → 0%" in c.message


def it_reports_every_failed_rule():
    bad = [checks.Check(r, "error", False, 1, f"{r} is wrong") for r in ("one", "two")]
    with pytest.raises(checks.DataInvalid, match="rule one: one is wrong; rule two: two is wrong"):
        checks.stop_on_failure([*bad, checks.Check("three", "warning", False, 1, "")])


def it_reports_a_change_of_the_objective():
    now = Settings("als", 64, 6, 2.0, 30.0, 0.5, 12.0, 42)
    assert checks.objective(now, None).passed
    same = checks.objective(now, {"trainer": "als", "regularization_exponent": 0.5, "alpha": 9})
    assert (same.passed, same.severity) == (True, "warning")
    other = checks.objective(now, {"trainer": "mllib", "regularization_exponent": 1.0})
    assert (other.passed, other.count) == (False, 2)
    assert "trainer mllib → als, regularization_exponent 1.0 → 0.5" in other.message
