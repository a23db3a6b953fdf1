import gzip
import hashlib
import json

import pytest
from conftest import at
from data import frame, put_interactions, put_stream, row

from recflow_glue import checks, events
from recflow_glue.arguments import Baseline, Config, rfc3339

DAY = 86_400
CONFIG = Config("b", "r", at(0), at(1000), at(500))


def ids(df) -> list[str]:
    return sorted(r["event_id"] for r in df.collect())


def it_covers_imported_events_by_occurrence_and_streamed_events_also_by_storage(spark):
    rows = [
        row("imported", seconds=10),
        row("at the start", seconds=0),
        row("too early", seconds=-0.000001),
        row("last", seconds=499.999999),
        row("imported copy of a late one", seconds=500),
        row("at the end", seconds=1000, stored=499),
        row("streamed", seconds=10, stored=499.999999),
        row("stored late", seconds=10, stored=500),
        row("stored early, occurs late", seconds=1000, stored=1),
    ]
    df = frame(spark, rows).where(events.covered(CONFIG))
    assert ids(df) == ["at the start", "imported", "last", "streamed", "too early"]
    assert ids(df.where(~events.in_range(CONFIG))) == ["too early"]
    assert df.where(events.in_range(Config("b", "r", None, at(1), at(1)))).count() == 5


def it_prefers_the_streamed_copy_of_an_imported_event(spark):
    rows = [
        row("late", seconds=10),
        row("late", seconds=10, stored=600),
        row("moved out", seconds=10),
        row("moved out", seconds=2000, stored=100),
        row("both", seconds=10),
        row("both", seconds=10, stored=100),
    ]
    found = events.deduplicate(frame(spark, rows)).where(events.covered(CONFIG))
    assert [(r["event_id"], r["streamed"]) for r in found.collect()] == [("both", True)]


def it_keeps_the_first_of_two_conflicting_streamed_events(spark):
    rows = [row("e", item_id="second", stored=20), row("e", item_id="first", stored=10), row("f")]
    rows += [row("clamped", seconds=9), row("clamped", seconds=5, stored=6)]
    got = {r["event_id"]: r for r in events.deduplicate(frame(spark, rows)).collect()}
    assert got["e"]["item_id"] == "first"
    assert (got["e"]["copies"], got["e"]["conflict"]) == (2, True)
    assert (got["f"]["copies"], got["f"]["conflict"]) == (1, False)
    assert (got["clamped"]["copies"], got["clamped"]["conflict"]) == (2, False)


def it_fingerprints_each_stored_copy_of_a_streamed_event(spark):
    rows = [row("imported"), row("once", stored=10), row("once", stored=10), row("late", stored=600)]
    rows += [row("again", stored=20), row("again", stored=30), row("again", stored=600)]  # dropped in between
    # Two equal hashes cancel out.
    assert fingerprint(spark, rows, CONFIG) == {"count": 3, "hash": id_hashes("once")}
    assert fingerprint(spark, rows[:1], CONFIG) == {"count": 0, "hash": "0" * 16}


def it_compares_only_the_streamed_events_that_the_baseline_does_not_cover(spark):
    baseline = Baseline(version=7, to=at(300), stored_to=at(200))
    given = Config("b", "r", at(0), at(1000), at(2 * DAY), baseline=baseline)
    rows = [
        row("old", seconds=10, stored=100),
        row("stored later", seconds=10, stored=200),
        row("occurred later", seconds=300, stored=100),
        row("the next day", seconds=20, stored=DAY + 5),
        row("not covered", seconds=20, stored=2 * DAY),
    ]
    found = events.streamed(frame(spark, rows), given).fields(baseline)
    assert found == {
        "count": 3,
        "hash": id_hashes("stored later", "occurred later", "the next day"),
        "baseline": {"version": 7, "to": rfc3339(at(300)), "stored_to": rfc3339(at(200))},
        "days": [
            {"day": "2017-01-01", "count": 3, "hash": id_hashes("old", "stored later", "occurred later")},
            {"day": "2017-01-02", "count": 1, "hash": id_hashes("the next day")},
        ],
    }


def it_warns_about_a_changed_day_below_the_baseline(spark):
    first = Config("b", "r", None, at(10 * DAY), at(2 * DAY))
    rows = [row("a", seconds=10, stored=100), row("b", seconds=10, stored=200), row("c", seconds=20, stored=DAY + 5)]
    before = {
        "coverage": {"stored_to": rfc3339(first.stored_to)},
        "input": {"streamed": events.streamed(frame(spark, rows), first).fields(first.baseline)},
    }
    baseline = Baseline(version=1, to=first.to, stored_to=first.stored_to)
    second = Config("b", "r", None, at(10 * DAY), at(9 * DAY), baseline=baseline)
    rows.append(row("new", seconds=30, stored=3 * DAY))
    same = checks.streamed_days(events.streamed(frame(spark, rows), second), baseline, before)
    assert (same.passed, same.severity) == (True, "warning")
    lost = checks.streamed_days(events.streamed(frame(spark, rows[1:]), second), baseline, before)
    assert (lost.passed, lost.count, lost.samples) == (False, 1, ["2017-01-01"])
    assert "1 on 2017-01-01 instead of 2" in lost.message
    exchanged = checks.streamed_days(
        events.streamed(frame(spark, [row("x", stored=100), *rows[1:]]), second), baseline, before
    )
    assert not exchanged.passed
    assert checks.streamed_days(events.streamed(frame(spark, rows[1:]), second), Baseline(), before).passed
    other = before | {"coverage": {"stored_to": rfc3339(at(5))}}  # another version's manifest
    assert checks.streamed_days(events.streamed(frame(spark, rows[1:]), second), baseline, other).passed


def fingerprint(spark, rows, given) -> dict:
    found = events.streamed(frame(spark, rows), given).fields(given.baseline)
    return {name: found[name] for name in ("count", "hash")}


def id_hashes(*event_ids: str) -> str:
    bits = 0
    for e in event_ids:
        bits ^= int(hashlib.sha256(e.encode()).hexdigest()[:16], 16)
    return f"{bits:016x}"


def it_finds_repeated_ids(spark):
    assert events.repeated_ids(frame(spark, [row("a"), row("b")])).count() == 0
    assert events.repeated_ids(frame(spark, [row("a"), row("b"), row("a"), row("a")])).count() == 1


def it_deduplicates_only_repeated_ids_with_the_same_result(spark, scratch):
    rows = [row(f"single{n}", seconds=n) for n in range(5)]
    rows += [
        row("both", seconds=10),
        row("both", seconds=9, stored=100),
        row("twice", seconds=3),
        row("twice", seconds=2),
    ]
    df = frame(spark, rows)
    whole = events.deduplicate(df)
    got, repeated = events.deduplicate_repeated(df, events.repeated_ids(df), scratch)
    columns = ["event_id", "occurred_at", "streamed"]
    assert sorted(got.select(columns).collect()) == sorted(whole.select(columns).collect())
    assert sorted((r["event_id"], r["copies"]) for r in repeated.collect()) == [("both", 2), ("twice", 2)]


def line(event_id: str, **changes) -> dict:
    """Return a line of raw/events like the stream: times with microseconds, no fields without a value."""
    return {
        "event_id": event_id, "user_id": "u", "item_id": "i", "event_type": "click",
        "occurred_at": "2017-01-01T00:00:01.250001Z", "stored_at": "2017-01-01T00:00:02.000003Z",
    } | changes  # fmt: skip


def lines(*events_: dict) -> bytes:
    """Return one gzip member with the lines, each with a newline."""
    return gzip.compress("".join(json.dumps(e) + "\n" for e in events_).encode())


def it_reads_delivered_objects(spark, bucket, scratch):
    """The objects have several gzip members, optional fields, whole seconds, a time zone, and a repeated line."""
    rated = line("rated", event_type="rating", value=4, session_id="s", recommendation_id="r")
    whole = line("whole", occurred_at="2017-01-01T01:00:01+01:00")
    bucket.put("raw/events/dt=2017-01-01/hour=00/a.gz", lines(line("plain"), rated) + lines(whole))
    bucket.put("raw/events/dt=2017-01-01/hour=00/b.gz", lines(rated))
    raw = events.read(spark, bucket, scratch, CONFIG)
    assert raw.broken == []
    found = raw.rows.selectExpr(
        "event_id", "value", "unix_micros(occurred_at) - unix_micros(stored_at) age", "_corrupt"
    )
    got = {r["event_id"]: tuple(r)[1:] for r in found.collect()}
    assert got == {"plain": (None, -750_002, None), "rated": (4.0, -750_002, None), "whole": (None, -1_000_003, None)}
    repeated = {r["event_id"]: r for r in events.deduplicate(raw.rows.drop("_corrupt")).where("copies > 1").collect()}
    assert [(i, r["copies"], r["conflict"]) for i, r in repeated.items()] == [("rated", 2, False)]


def it_names_objects_that_are_incomplete_or_invalid(spark, bucket, scratch):
    good = lines(line("good"))
    corrupt = bytearray(lines(*(line(f"e{n}") for n in range(50))))
    corrupt[len(corrupt) // 2] ^= 0x10
    bodies = {
        "empty": b"", "truncated": good[:-9], "corrupt": bytes(corrupt), "truncated-member": good + good[:20],
        "line": lines(line("x")) + gzip.compress(b'{"event_id": "half'), "number": lines(line("y", value="many")), "whole": good,
    }  # fmt: skip
    for name, body in bodies.items():
        bucket.put(f"raw/events/dt=2017-01-01/hour=00/{name}.gz", body)
    raw = events.read(spark, bucket, scratch, CONFIG)
    names = sorted(key.rsplit("/", 1)[1] for key, _ in raw.broken)
    assert names == ["corrupt.gz", "empty.gz", "truncated-member.gz", "truncated.gz"]
    _, found = checks.rows(raw, at(0))
    objects, streamed = found[:2]
    assert (objects.rule, objects.severity, objects.passed, objects.count) == ("schema", "error", False, 4)
    assert (streamed.rule, streamed.severity, streamed.count) == ("streamed_rows", "warning", 2)
    keys = [f"raw/events/dt=2017-01-01/hour=00/{name}.gz" for name in ("line", "number")]
    assert streamed.samples == [*keys, "y"]  # the other line has no event id
    assert "line 2 is not an event in raw/events/dt=2017-01-01/hour=00/line.gz" in streamed.message
    problems = {key.rsplit("/", 1)[1]: problem for key, problem in raw.bad_lines(9)}
    assert problems == {"line.gz": "line 2 is not an event", "number.gz": "line 1 is not an event"}
    assert raw.bad_lines(1) == [("raw/events/dt=2017-01-01/hour=00/line.gz", "line 2 is not an event")]


@pytest.mark.parametrize("small", [True, False], ids=["packed", "not packed"])
def it_reads_the_days_of_the_range_and_the_whole_stream(spark, bucket, scratch, monkeypatch, small):
    monkeypatch.setattr("recflow_glue.events.worth_packing", lambda objects: small)
    day = 86400
    put_interactions(bucket, [row(f"i{n}", seconds=n * day + 1, value=float(n)) for n in range(5)])
    put_stream(bucket, [row("s1", seconds=0.25, stored=1.5, value=2.0)])
    config = Config(bucket.name, "r", at(day), at(3 * day), at(day))
    raw = events.read(spark, bucket, scratch, config)
    got = {r["event_id"]: r for r in raw.rows.collect()}
    assert sorted(got) == ["i1", "i2", "s1"]
    assert raw.files == 3
    assert got["i2"]["value"] == 2.0
    assert not got["i2"]["streamed"]
    assert got["s1"]["streamed"]
    micros = raw.rows.where("event_id = 's1'").selectExpr("unix_micros(occurred_at)", "unix_micros(stored_at)").first()
    assert tuple(micros) == (events.to_micros(at(0.25)), events.to_micros(at(1.5)))


def it_reads_an_empty_bucket(spark, bucket, scratch):
    raw = events.read(spark, bucket, scratch, CONFIG)
    assert (raw.files, raw.rows.count()) == (0, 0)
