import pytest
from conftest import at
from data import frame, put_interactions, put_stream, row

from recflow_glue import events
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


def it_counts_ids_that_repeat(spark):
    assert events.repeated_ids(frame(spark, [row("a"), row("b")])) == 0
    assert events.repeated_ids(frame(spark, [row("a"), row("b"), row("a"), row("a")])) == 1


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
