from datetime import UTC, datetime

import pyarrow as pa
from data import put_items

from recflow_glue import formats, items, output


def it_uses_the_row_of_the_latest_file(spark):
    rows = [
        ("i", "old", None, None, True, None, 1, "z"),
        ("i", "new", "c", ["t"], None, None, 2, "a"),
        ("j", "only", None, None, False, None, 1, "z"),
    ]
    df = spark.createDataFrame(rows, items.COLUMNS)
    got = {r["item_id"]: r for r in items.latest(df).rows.collect()}
    assert (got["i"]["title"], got["i"]["tags"], got["i"]["available"]) == ("new", ["t"], True)
    assert not got["j"]["available"]


def it_retires_the_items_that_a_complete_catalog_lacks(spark):
    """The catalog of two files was imported at 10 and 11, and replaces what was imported before 10."""
    complete = datetime.fromtimestamp(10, UTC)
    rows = [
        ("gone", "t", None, None, True, None, 5_000_000, "a"),
        ("kept", "t", None, None, True, None, 5_000_000, "a"),
        ("kept", "t", None, None, None, complete, 10_000_000, "b"),
        ("second", "t", None, None, True, complete, 11_000_000, "c"),
        ("sold", "t", None, None, False, complete, 11_000_000, "c"),
        ("later", "t", None, None, True, None, 12_000_000, "d"),
    ]
    df = spark.createDataFrame(rows, items.COLUMNS)
    got = {r["item_id"]: r["available"] for r in items.latest(df).rows.collect()}
    assert got == {"gone": False, "kept": True, "second": True, "sold": False, "later": True}


def it_uses_the_unavailable_one_of_equal_rows(spark):
    rows = [("i", "a", None, None, True, None, 1, "z"), ("i", "b", None, None, False, None, 1, "z")]
    got = items.latest(spark.createDataFrame(rows, items.COLUMNS)).rows.collect()
    assert [(r["title"], r["available"]) for r in got] == [("b", False)]


def it_has_no_items_without_a_row_in_a_complete_catalog(spark):
    at = datetime.fromtimestamp(10, UTC)
    known = spark.createDataFrame([(0, "known", 1.0), (1, "other", 1.0)], "item int, item_id string, popularity double")
    factors = spark.createDataFrame([(0, [1.0]), (1, [1.0])], "item int, embedding array<float>")
    for replaces_before, available in [(at, {"known"}), (None, {"known", "other"})]:
        row = ("known", "t", None, None, True, replaces_before, 10_000_000, "a")
        metadata = items.latest(spark.createDataFrame([row], items.COLUMNS))
        rows = output.item_rows(known, factors, metadata).collect()
        assert {r["item_id"] for r in rows if r["available"]} == available


def it_orders_catalogs_by_their_import(spark, bucket, scratch):
    """An older catalog that is imported again is current, although all objects were written in the same second."""
    schema = formats.ITEMS
    for key, item, title, at in [
        ("z", "i", "tuesday", 20),
        ("a", "i", "monday again", 30),
        ("m", "j", "no time", None),
    ]:
        imported_at = None if at is None else datetime.fromtimestamp(at, UTC)
        row = {"item_id": item, "title": title, "imported_at": imported_at}
        bucket.put(f"raw/items/{key}.parquet", formats.parquet(pa.Table.from_pylist([row], schema)))
    found, _ = items.read(spark, bucket, scratch)
    assert {r["item_id"]: r["title"] for r in found.rows.collect()} == {"i": "monday again", "j": "no time"}


def it_truncates_titles_and_drops_labels_that_cannot_be_loaded(spark):
    rows = [
        ("i", "é" * 10_000, "c" * 1025, ["ok", "t" * 1025, "a\0b", None, *map(str, range(2000))], True, None, 1, "z"),
        ("j", "a\0b", "a\0b", None, True, None, 1, "z"),
    ]
    df = spark.createDataFrame(rows, items.COLUMNS)
    got = {r["item_id"]: r for r in items.latest(df).rows.collect()}
    assert got["i"]["title"] == "é" * 4096
    assert got["i"]["category"] is None
    assert got["i"]["tags"][:2] == ["ok", "0"]
    assert len(got["i"]["tags"]) == 1024
    assert (got["j"]["title"], got["j"]["category"], got["j"]["tags"]) == ("ab", None, None)


def it_reads_items_if_there_are_any(spark, bucket, scratch):
    assert items.read(spark, bucket, scratch) == (None, [])
    put_items(bucket, ["a", "b"])
    bucket.put("raw/items/broken.parquet", b"x")
    found, broken = items.read(spark, bucket, scratch)
    assert sorted(r["title"] for r in found.rows.collect()) == ["Title of a", "Title of b"]
    assert [key for key, _ in broken] == ["raw/items/broken.parquet"]
