from data import put_items

from recflow_glue import items


def it_uses_the_row_of_the_latest_file(spark):
    rows = [
        ("i", "old", None, None, True, 1, "z"),
        ("i", "new", "c", ["t"], None, 2, "a"),
        ("j", "only", None, None, False, 1, "z"),
    ]
    df = spark.createDataFrame(rows, items.COLUMNS + ", written bigint, source string")
    got = {r["item_id"]: r for r in items.latest(df).collect()}
    assert (got["i"]["title"], got["i"]["tags"], got["i"]["available"]) == ("new", ["t"], True)
    assert not got["j"]["available"]


def it_truncates_titles_and_drops_labels_that_cannot_be_loaded(spark):
    rows = [
        ("i", "é" * 10_000, "c" * 1025, ["ok", "t" * 1025, "a\0b", None, *map(str, range(2000))], True, 1, "z"),
        ("j", "a\0b", "a\0b", None, True, 1, "z"),
    ]
    df = spark.createDataFrame(rows, items.COLUMNS + ", written bigint, source string")
    got = {r["item_id"]: r for r in items.latest(df).collect()}
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
    assert sorted(r["title"] for r in found.collect()) == ["Title of a", "Title of b"]
    assert [key for key, _ in broken] == ["raw/items/broken.parquet"]
