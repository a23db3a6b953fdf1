import gzip
import hashlib
import json

import pytest
from conftest import at
from data import frame, put_interactions, put_stream, row

from recflow_glue import checks, events
from recflow_glue.arguments import Config

CONFIG = Config("b", "r", at(0), at(1000), at(500))


def ids(df) -> list[str]:
    return sorted(r["event_id"] for r in df.collect())


def it_covers_imported_events_by_occurrence_and_streamed_ones_by_storage_too(spark):
    rows = [
        row("imported", seconds=10),
        row("at the start", seconds=0),
        row("too early", seconds=-0.000001),
        row("last", seconds=999.999999),
        row("at the end", seconds=1000),
        row("streamed", seconds=10, stored=499.999999),
        row("stored late", seconds=10, stored=500),
        row("stored early, occurs late", seconds=1000, stored=1),
    ]
    df = frame(spark, rows).where(events.covered(CONFIG))
    assert ids(df) == ["at the start", "imported", "last", "streamed", "too early"]
    assert ids(df.where(~events.in_range(CONFIG))) == ["too early"]
    assert df.where(events.in_range(Config("b", "r", None, at(1), at(1)))).count() == 5


def it_lets_an_imported_event_follow_its_streamed_copy(spark):
    rows = [
        row("late", seconds=10),
        row("late", seconds=10, stored=600),
        row("moved out", seconds=10),
        row("moved out", seconds=2000, stored=100),
        row("both", seconds=10),
        row("both", seconds=10, stored=100),
    ]
    once = events.once(frame(spark, rows)).where(events.covered(CONFIG))
    assert [(r["event_id"], r["streamed"]) for r in once.collect()] == [("both", True)]


def it_keeps_the_first_of_two_conflicting_streamed_events(spark):
    rows = [row("e", item_id="second", stored=20), row("e", item_id="first", stored=10), row("f")]
    rows += [row("clamped", seconds=9), row("clamped", seconds=5, stored=6)]
    got = {r["event_id"]: r for r in events.once(frame(spark, rows)).collect()}
    assert got["e"]["item_id"] == "first"
    assert (got["e"]["copies"], got["e"]["conflict"]) == (2, True)
    assert (got["f"]["copies"], got["f"]["conflict"]) == (1, False)
    assert (got["clamped"]["copies"], got["clamped"]["conflict"]) == (2, False)


def it_fingerprints_streamed_events_as_often_as_they_were_stored(spark):
    rows = [row("imported"), row("once", stored=10), row("once", stored=10), row("late", stored=600)]
    rows += [row("again", stored=20), row("again", stored=30), row("again", stored=600)]  # dropped in between
    bits = int(hashlib.sha256(b"once").hexdigest()[:16], 16)  # that of a pair cancels out
    assert events.streamed_set(frame(spark, rows), CONFIG) == {"count": 3, "hash": f"{bits:016x}"}
    assert events.streamed_set(frame(spark, rows[:1]), CONFIG) == {"count": 0, "hash": "0" * 16}


def it_counts_ids_that_repeat(spark):
    assert events.repeated_ids(frame(spark, [row("a"), row("b")])).count() == 0
    assert events.repeated_ids(frame(spark, [row("a"), row("b"), row("a"), row("a")])).count() == 1


def it_settles_only_the_ids_that_repeat_and_comes_to_the_same(spark, scratch):
    rows = [row(f"single{n}", seconds=n) for n in range(5)]
    rows += [
        row("both", seconds=10),
        row("both", seconds=9, stored=100),
        row("twice", seconds=3),
        row("twice", seconds=2),
    ]
    df = frame(spark, rows)
    whole = events.once(df)
    got, settled = events.once_among(df, events.repeated_ids(df), scratch)
    shown = ["event_id", "occurred_at", "streamed"]
    assert sorted(got.select(shown).collect()) == sorted(whole.select(shown).collect())
    assert sorted((r["event_id"], r["copies"]) for r in settled.collect()) == [("both", 2), ("twice", 2)]


def line(event_id: str, **changes) -> dict:
    """A line of raw/events as the stream writes it: times with microseconds, no field that has no value."""
    return {
        "event_id": event_id, "user_id": "u", "item_id": "i", "event_type": "click",
        "occurred_at": "2017-01-01T00:00:01.250001Z", "stored_at": "2017-01-01T00:00:02.000003Z",
    } | changes  # fmt: skip


def lines(*events_: dict) -> bytes:
    """One gzip member of lines, each with its newline."""
    return gzip.compress("".join(json.dumps(e) + "\n" for e in events_).encode())


def it_reads_what_the_stream_delivers(spark, bucket, scratch):
    """Several gzip members an object, optional fields absent or there, whole seconds, an hour's zone, a line twice."""
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
    repeated = {r["event_id"]: r for r in events.once(raw.rows.drop("_corrupt")).where("copies > 1").collect()}
    assert [(i, r["copies"], r["conflict"]) for i, r in repeated.items()] == [("rated", 2, False)]


def it_names_the_objects_that_were_not_delivered_whole(spark, bucket, scratch):
    good = lines(line("good"))
    flipped = bytearray(lines(*(line(f"e{n}") for n in range(50))))
    flipped[len(flipped) // 2] ^= 0x10
    bodies = {
        "empty": b"", "torn": good[:-9], "flipped": bytes(flipped), "torn-member": good + good[:20],
        "line": lines(line("x")) + gzip.compress(b'{"event_id": "half'), "number": lines(line("y", value="many")), "whole": good,
    }  # fmt: skip
    for name, body in bodies.items():
        bucket.put(f"raw/events/dt=2017-01-01/hour=00/{name}.gz", body)
    raw = events.read(spark, bucket, scratch, CONFIG)
    names = sorted(key.rsplit("/", 1)[1] for key, _ in raw.broken)
    assert names == ["empty.gz", "flipped.gz", "torn-member.gz", "torn.gz"]
    _, found = checks.rows(raw, at(0))
    c = found[0]
    assert (c.rule, c.severity, c.passed, c.count) == ("schema", "error", False, 6)
    assert "4 objects and 2 lines" in c.message
    told = {key.rsplit("/", 1)[1]: what for key, what in raw.bad_lines(9)}
    assert told == {"line.gz": "its line 2 is not an event", "number.gz": "its line 1 is not an event"}
    assert raw.bad_lines(1) == [("raw/events/dt=2017-01-01/hour=00/line.gz", "its line 2 is not an event")]


@pytest.mark.parametrize("small", [True, False], ids=["packed", "in place"])
def it_reads_the_days_it_needs_and_the_whole_stream(spark, bucket, scratch, monkeypatch, small):
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


def it_reads_nothing_from_an_empty_bucket(spark, bucket, scratch):
    raw = events.read(spark, bucket, scratch, CONFIG)
    assert (raw.files, raw.rows.count()) == (0, 0)
