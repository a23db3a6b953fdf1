from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from proxy import losing_answers

from recflow_glue import storage
from recflow_glue.storage import Bucket, Scratch, write_scratch


def it_accepts_only_one_conditional_put(bucket):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: Bucket(bucket.name).put_if_absent("manifest.json", b"%d" % n), range(8)))
    assert sum(won) == 1
    assert bucket.get("manifest.json") == b"%d" % won.index(True)
    assert bucket.exists("manifest.json")
    assert not bucket.exists("other.json")


@pytest.mark.parametrize("lost", [1, 7])  # boto3 tries a request five times
def it_knows_its_own_conditional_put_when_answers_are_lost(endpoint, bucket, monkeypatch, faults, lost):
    monkeypatch.setattr(storage, "PUT_PAUSE", 0.01)
    with losing_answers(endpoint, "/manifest.json", lost, faults) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy)
        assert Bucket(bucket.name).put_if_absent("manifest.json", b"mine")
        assert not Bucket(bucket.name).put_if_absent("manifest.json", b"other")
    assert faults["answer lost"] > 0
    assert bucket.get("manifest.json") == b"mine"


def it_raises_the_error_of_a_conditional_put_that_is_refused(bucket):
    with pytest.raises(ClientError, match="NoSuchBucket"):
        Bucket("missing-bucket").put_if_absent("manifest.json", b"mine")


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
