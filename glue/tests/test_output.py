import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data import row, table
from pyspark import TaskContext

from recflow_glue import output


@pytest.mark.parametrize("driver_files", [8, 0], ids=["on the driver", "in tasks"])
def it_lists_only_committed_files_after_a_task_failed_halfway(
    spark, bucket, tmp_path, monkeypatch, faults, driver_files
):
    """The first attempt of one task fails after it has written some rows."""
    monkeypatch.setattr(output, "DRIVER_FILES", driver_files)
    failures = str(tmp_path / "failures")

    def fragile(rows):
        for n, r in enumerate(rows):
            if n == 500 and TaskContext.get().partitionId() == 0 and TaskContext.get().attemptNumber() == 0:
                with open(failures, "a") as f:  # this code runs in another process
                    f.write("1\n")
                raise RuntimeError("executor lost")
            yield r

    rdd = spark.sparkContext.parallelize([(f"i{n:04}",) for n in range(2000)], 2).mapPartitions(fragile)
    df = spark.createDataFrame(rdd, "item_id string")
    folder = "embeddings/run=r/items/attempt=a/"
    df.write.parquet(bucket.uri(folder))
    faults["task failed"] = len(Path(failures).read_text().splitlines())
    bucket.put(folder + "_temporary/0/part-0-left.parquet", b"leftover")
    files = output.require_rows(output.committed_files(spark.sparkContext, bucket, folder, "items"), 2000)
    got = bucket.read_parquet([f.key for f in files], ["item_id"])["item_id"].to_pylist()
    assert sorted(got) == [f"i{n:04}" for n in range(2000)]
    bodies = [bucket.get(f.key) for f in files]
    assert [(f.bytes, f.sha256) for f in files] == [(len(b), hashlib.sha256(b).hexdigest()) for b in bodies]


def it_rejects_an_incomplete_write(spark, bucket):
    bucket.put("x/part-0.parquet", b"")
    with pytest.raises(output.WriteIncomplete, match="_SUCCESS"):
        output.committed_files(spark.sparkContext, bucket, "x/", "items")
    with pytest.raises(output.WriteIncomplete, match="2 rows, want 3"):
        output.require_rows([output.File("items", "k", 1, "", 2)], 3)


def it_writes_the_documented_parquet_types(spark, bucket, tmp_path):
    users = spark.createDataFrame(
        [(0, "u", ["i"], [1.5], None, ["m"]), (1, "v", [], [], None, [])],
        "user int, user_id string, history_items array<string>, history_weights array<float>, reference_time timestamp, seen_items array<string>",
    )
    vectors = spark.createDataFrame([(0, [1.0, 2.0])], "user int, embedding array<float>")
    files = output.write(output.user_rows(users, vectors), output.Destination(bucket, "p/", "a"), "users", "user_id", 1)
    (tmp_path / "f").write_bytes(bucket.get(files[0].key))
    schema = str(pq.ParquetFile(tmp_path / "f").schema)
    for line in (
        "required binary field_id=-1 user_id (String)",
        "optional group field_id=-1 embedding (List)",
        "required float field_id=-1 element",
        "required group field_id=-1 history_items (List)",
        "required group field_id=-1 history_weights (List)",
        "optional int64 field_id=-1 reference_time (Timestamp(isAdjustedToUTC=true, timeUnit=microseconds",
        "required group field_id=-1 seen_items (List)",
    ):
        assert line in schema
    got = {r["user_id"]: r for r in pq.read_table(tmp_path / "f").to_pylist()}
    assert got["u"]["embedding"] == [1.0, 2.0]
    assert got["v"]["embedding"] is None
    assert got["v"]["history_items"] == []


def it_writes_the_holdout_in_the_documented_types(bucket, tmp_path):
    rows = table([row(f"e{n}", f"u{n // 3}", value=1.5 if n else None, seconds=n) for n in range(8)])
    marked = rows.append_column("answer", pa.array([False, True] * 4)).append_column(
        "repeat", pa.array([False] * 7 + [True])
    )
    split = marked.slice(0, 7)
    files = output.write_holdout(marked, output.Destination(bucket, "p/", "a"))
    assert [(f.kind, f.rows, f.key) for f in files] == [
        ("holdout", 4, "p/holdout/attempt=a/part-00000.parquet"),
        ("holdout", 3, "p/holdout/attempt=a/part-00001.parquet"),
    ]
    got = bucket.read_parquet([f.key for f in files], None)
    assert got.to_pylist() == split.select(got.column_names).to_pylist()
    (tmp_path / "f").write_bytes(bucket.get(files[0].key))
    schema = str(pq.ParquetFile(tmp_path / "f").schema)
    for line in (
        *(f"required binary field_id=-1 {c} (String)" for c in ("user_id", "event_id", "item_id", "event_type")),
        "optional double field_id=-1 value",
        "required int64 field_id=-1 occurred_at (Timestamp(isAdjustedToUTC=true, timeUnit=microseconds",
        "required boolean field_id=-1 answer",
    ):
        assert line in schema
    assert output.write_holdout(split.slice(0, 0), output.Destination(bucket, "p/", "b")) == []


def it_sizes_files_for_a_parallel_load():
    assert output.file_count(10, 300) == 2
    assert output.file_count(1_000_000, 500) == 8
