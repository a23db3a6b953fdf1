import gzip

import pyarrow as pa
import pytest
from conftest import at
from data import put_interactions, put_table, row

from recflow_glue import formats, staging


@pytest.mark.parametrize("groups", [1, 2], ids=["on the driver", "in tasks"])
def it_packs_many_objects_into_few_files_without_losing_a_row(spark, bucket, scratch, monkeypatch, groups):
    put_interactions(bucket, [row(f"e{n}", seconds=n * 86400) for n in range(70)])
    objects = bucket.objects("raw/interactions/")
    monkeypatch.setattr(staging, "GROUP_BYTES", sum(o.size for o in objects) * 6 // (5 * groups))
    staged = staging.pack(spark, bucket, scratch, "interactions", objects)
    assert len(staged.paths) == groups
    assert staged.broken == []
    assert spark.read.parquet(*staged.paths).select("event_id").distinct().count() == 70


def it_names_objects_that_are_not_in_the_format(spark, bucket, scratch):
    put_interactions(bucket, [row("good")])
    bucket.put("raw/interactions/dt=2017-01-01/truncated.parquet", b"PAR1 truncated")
    put_table(bucket, "raw/interactions/dt=2017-01-01/wrong.parquet", pa.table({"event_id": [1]}))
    put_table(bucket, "raw/interactions/dt=2017-01-01/less.parquet", pa.table({"event_id": ["a"]}))
    staged = staging.pack(spark, bucket, scratch, "interactions", bucket.objects("raw/"))
    broken = {key.rsplit("/", 1)[1]: reason for key, reason in staged.broken}
    assert sorted(broken) == ["less.parquet", "truncated.parquet", "wrong.parquet"]
    assert broken["wrong.parquet"] == "column event_id is int64, want string"
    assert broken["less.parquet"] == "column user_id is missing"
    assert spark.read.parquet(*staged.paths).count() == 1


def it_joins_lines_of_objects_with_and_without_a_last_newline(spark, bucket, scratch):
    for n, body in enumerate((b'{"event_id":"a"}', b'{"event_id":"b"}\n', b"")):
        bucket.put(f"raw/events/{n}.gz", gzip.compress(body))
    bucket.put("raw/events/3.gz", b"not gzip")
    staged = staging.pack(spark, bucket, scratch, "lines", bucket.objects("raw/events/"))
    assert [key for key, _ in staged.broken] == ["raw/events/3.gz"]
    assert sorted(r[0] for r in spark.read.json(staged.paths).collect()) == ["a", "b"]


def it_names_objects_that_are_too_large_when_unpacked(spark, bucket, scratch, monkeypatch):
    """Both objects have a few kilobytes and hold a hundred times as much."""
    monkeypatch.setattr(formats, "MAX_UNPACKED", 1 << 20)
    many = [row("e", user_id="u" * 300, seconds=n / 1000) for n in range(4000)]
    put_interactions(bucket, many, "large")
    put_interactions(bucket, [row("good")])
    staged = staging.pack(spark, bucket, scratch, "interactions", bucket.objects("raw/interactions/"))
    assert [(key.rsplit("/", 1)[1], reason) for key, reason in staged.broken] == [("large.parquet", formats.TOO_LARGE)]
    assert spark.read.parquet(*staged.paths).count() == 1
    for name, size in (("large", (1 << 20) + 1), ("good", 1 << 20)):
        bucket.put(f"raw/events/{name}.gz", gzip.compress(b" " * size))
    staged = staging.pack(spark, bucket, scratch, "lines", bucket.objects("raw/events/"))
    assert staged.broken == [("raw/events/large.gz", formats.TOO_LARGE)]


def it_lists_only_days_that_overlap_the_range(bucket):
    for day in ("2016-12-31", "2017-01-01", "2017-01-02", "2017-01-03"):
        bucket.put(f"raw/interactions/dt={day}/x.parquet", b"x")
    bucket.put("raw/interactions/dt=2017-01-01/x.crc", b"x")

    def days(start, to):
        return [o.key[20:30] for o in staging.list_days(bucket, "raw/interactions/", ".parquet", start, to)]

    assert days(at(0), at(86400)) == ["2017-01-01"]
    assert days(at(0), at(86400.5)) == ["2017-01-01", "2017-01-02"]
    assert days(None, at(1)) == ["2016-12-31", "2017-01-01"]


def it_limits_the_size_of_a_group():
    mib = [staging.Object(str(n), 32 << 20, at(0)) for n in range(7)]
    assert [len(g) for g in staging.split(mib)] == [3, 3, 1]
    assert [len(g) for g in staging.split([staging.Object("k", 1 << 30, at(0))])] == [1]


def it_does_not_pack_large_objects():
    small, large = staging.Object("k", 1000, at(0)), staging.Object("k", 64 << 20, at(0))
    assert staging.worth_packing([small])
    assert not staging.worth_packing([large])
    assert not staging.worth_packing([])
