from concurrent.futures import ThreadPoolExecutor

from recflow_glue.storage import Bucket, Scratch, write_scratch


def it_accepts_only_one_conditional_put(bucket):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: Bucket(bucket.name).put_if_absent("manifest.json", b"%d" % n), range(8)))
    assert sum(won) == 1
    assert bucket.get("manifest.json") == b"%d" % won.index(True)
    assert bucket.exists("manifest.json")
    assert not bucket.exists("other.json")


def it_deletes_only_the_prefix(bucket):
    for key in ("a/1", "a/2", "ab/3"):
        bucket.put(key, b"x")
    bucket.delete_prefix("a/")
    assert [o.key for o in bucket.objects("")] == ["ab/3"]


def it_writes_scratch_files_to_a_folder_or_a_prefix(spark, bucket):
    for local in (True, False):
        scratch = Scratch(bucket, "run/_scratch/1/", local)
        uri = write_scratch(scratch.location(), "x/y.json", b'{"a":1}')
        assert uri.startswith(scratch.uri("x")[:5])
        assert spark.read.json(scratch.uri("x")).first()["a"] == 1
        spark.range(10).write.parquet(scratch.uri("ten"))
        assert sorted(scratch.read("ten")["id"].to_pylist()) == list(range(10))
        scratch.remove()
    assert bucket.objects("run/") == []
