"""Accesses objects in S3 with boto3, and the scratch space of one attempt."""

import io
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from recflow_glue import session

GROUPS = 16  # row groups in a scratch file, and the least rows of one
MIN_GROUP = 256
PUT_TRIES = 3  # of a conditional put, each with the retries of boto3
PUT_PAUSE = 1.0  # seconds after the first of them; doubles


@dataclass(frozen=True)
class Object:
    """One object of a listing."""

    key: str
    size: int
    modified: datetime


def client():
    """Return an S3 client. The emulator needs path-style addresses."""
    style = "path" if session.is_local() else "auto"
    retries = {"mode": "standard", "max_attempts": 5}
    return boto3.client(
        "s3", config=ClientConfig(s3={"addressing_style": style}, retries=retries, max_pool_connections=32)
    )


class Bucket:
    """The bucket with raw events and embeddings."""

    def __init__(self, name: str):
        self.name = name
        self.s3 = client()

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def objects(self, prefix: str) -> list[Object]:
        """Return all objects under a prefix, in key order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [Object(o["Key"], o["Size"], o["LastModified"]) for page in pages for o in page.get("Contents", [])]

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()

    def exists(self, key: str) -> bool:
        try:
            self.s3.head_object(Bucket=self.name, Key=key)
        except ClientError as e:
            if e.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write the object unless it exists. Reports whether it is there with this body.

        boto3 repeats a put whose answer was lost and then gets 412 for its own object, so after an error the
        object is read and compared. An error leaves open whether the object was written.
        """
        for tries in range(PUT_TRIES):
            try:
                self.s3.put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*")
                return True
            except (ClientError, BotoCoreError) as e:
                failure = e
            found = self.find(key)
            if found is not None:
                return found == body
            time.sleep(PUT_PAUSE * 2**tries)
        raise failure

    def find(self, key: str) -> bytes | None:
        """Return the content of an object, or None if there is none."""
        try:
            return self.get(key)
        except ClientError as e:
            if e.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def delete_prefix(self, prefix: str) -> None:
        keys = [{"Key": o.key} for o in self.objects(prefix)]
        for i in range(0, len(keys), 1000):
            self.s3.delete_objects(Bucket=self.name, Delete={"Objects": keys[i : i + 1000], "Quiet": True})

    def read_parquet(self, keys: list[str], columns: list[str] | None) -> pa.Table:
        """Read the given columns, or all, of Parquet objects, in the order of the keys."""
        with ThreadPoolExecutor(8) as pool:
            parts = pool.map(lambda key: pq.read_table(io.BytesIO(self.get(key)), columns=columns), keys)
            return pa.concat_tables(parts)


class Scratch:
    """Temporary files of one attempt: in a local folder on one machine, under a prefix of the
    attempt on a cluster. They are not part of the result."""

    def __init__(self, bucket: Bucket, prefix: str, local: bool):
        self.bucket, self.prefix = bucket, prefix
        self.folder = Path(tempfile.mkdtemp(prefix="recflow-glue-")) if local else None

    def uri(self, name: str) -> str:
        if self.folder is not None:
            return (self.folder / name).as_uri()
        return self.bucket.uri(self.prefix + name)

    def location(self) -> tuple[str, str]:
        """Return the argument of read_scratch and write_scratch in tasks: ("folder", path) or (bucket, prefix)."""
        if self.folder is not None:
            return "folder", str(self.folder)
        return self.bucket.name, self.prefix

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Read the given columns, or all, of the Parquet files under a name, on the driver."""
        found = read_scratch(self.location(), name, columns)
        if found is None:
            raise FileNotFoundError(self.uri(name))
        return found

    def remove(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.bucket.delete_prefix(self.prefix)


def read_scratch(location: tuple[str, str], name: str, columns: list[str] | None = None) -> pa.Table | None:
    """Read the given columns, or all, of the Parquet files under a name. Returns None if there are none."""
    where, path = location
    if where == "folder":
        folder = Path(path) / name
        return pq.read_table(folder, columns=columns) if folder.exists() else None
    bucket = Bucket(where)
    keys = [o.key for o in bucket.objects(f"{path}{name}/") if o.key.endswith(".parquet")]
    return bucket.read_parquet(keys, columns) if keys else None


def write_scratch(location: tuple[str, str], name: str, body: bytes) -> str:
    """Write one scratch file from a task and return its URI."""
    where, path = location
    if where == "folder":
        target = Path(path) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        return target.as_uri()
    Bucket(where).put(path + name, body)
    return f"s3://{where}/{path}{name}"


def write_table(scratch: Scratch, name: str, table: pa.Table) -> str:
    """Write a table as one scratch file, which Spark can split among its tasks, and return its URI."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=max(MIN_GROUP, -(-len(table) // GROUPS)))
    return write_scratch(scratch.location(), name, sink.getvalue().to_pybytes())
