"""The tables in docs/athena read the objects that the stream and the worker write. Spark stands in for Athena."""

import datetime
import gzip
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = {"recommendations": "recommendations", "events": "raw/events", "quarantine": "quarantine"}


def statement(table: str) -> str:
    text = (ROOT / "docs" / "athena" / f"{table}.sql").read_text()
    return re.sub(r"^--.*\n", "", text, flags=re.M)


def columns(table: str) -> dict[str, str]:
    """Return the names and types of the columns, partitions last."""
    found = re.search(r"TABLE[^(]*\(\n(.*?)\n\)\nPARTITIONED BY \(\n(.*?)\n\)\n", statement(table), re.S)
    parts = re.findall(r"^  `(\w+)` (\S+?)(?: COMMENT '[^']*')?,?$", found[1] + "\n" + found[2], re.M)
    assert len(parts) == len((found[1] + "\n" + found[2]).splitlines()), "cannot parse a column"
    return dict(parts)


def location(table: str) -> str:
    return re.search(r"LOCATION 's3://BUCKET/(.*)/'", statement(table))[1]


def samples(table: str) -> bytes:
    """Return sample lines of the stream's programs. A Go test keeps them up to date."""
    return (ROOT / "internal" / "stream" / "testdata" / f"{table}.json").read_bytes()


def plain(value):
    if hasattr(value, "asDict"):
        return {k: plain(v) for k, v in value.asDict().items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("table", TABLES)
def it_reads_every_value_of_the_delivered_documents(spark, bucket, table):
    folder = TABLES[table] + "/dt=2025-03-01/hour=05/"
    name = f"recflow-{table}-1-2025-03-01-05-59-59-0f8e1c1e-7d5c-4a8b-9c39-2b1f4a1d6f00.gz"
    bucket.put(folder + name, gzip.compress(samples(table)))
    types = columns(table)
    schema = ", ".join(f"`{name}` {kind}" for name, kind in types.items())
    read = spark.read.schema(schema).option("mode", "FAILFAST").json(bucket.uri(location(table) + "/"))
    documents = [json.loads(line) for line in samples(table).splitlines()]
    wanted = [
        {c: d.get(c) for c in types} | {"dt": "2025-03-01", "hour": "05"} for d in sorted(documents, key=json.dumps)
    ]
    got = [plain(r) for r in read.select(*types).collect()]
    assert sorted(got, key=lambda d: json.dumps(d, sort_keys=True)) == sorted(
        wanted, key=lambda d: json.dumps(d, sort_keys=True)
    )


@pytest.mark.parametrize("table", TABLES)
def it_has_exactly_one_column_per_field(table):
    documents = [json.loads(line) for line in samples(table).splitlines()]
    fields = {name for d in documents for name in d}
    assert fields == columns(table).keys() - {"dt", "hour"}


@pytest.mark.parametrize("table", TABLES)
def it_projects_the_partitions_that_firehose_writes(table):
    properties = dict(re.findall(r"'([\w.]+)' = '([^']*)'", statement(table)))
    template = properties["storage.location.template"]
    assert template.replace("BUCKET", "b").replace("${dt}", "2025-03-01").replace("${hour}", "05") == (
        f"s3://b/{TABLES[table]}/dt=2025-03-01/hour=05/"
    )
    assert location(table) == TABLES[table]
    assert properties["projection.dt.format"] == "yyyy-MM-dd"
    assert (properties["projection.hour.range"], properties["projection.hour.digits"]) == ("0,23", "2")
    placeholders = set(re.findall(r"[A-Z]+-DAY|DATABASE\b|BUCKET\b", statement(table)))
    assert placeholders == {"DATABASE", "BUCKET", "FIRST-DAY"}


def it_reads_every_value_of_batch_lists(spark, bucket):
    # A Go test keeps the sample up to date.
    sample = (ROOT / "internal" / "batchlists" / "testdata" / "lists.parquet").read_bytes()
    bucket.put("lists/run=20250109T033100Z-7k2mxq4c/00000-000.parquet", sample)
    bucket.put("lists/run=20250109T033100Z-7k2mxq4c/_manifest.json", b"{}")
    types = columns("lists")
    assert list(types) == [
        "user_id",
        "recommendation_id",
        "version",
        "stage",
        "events_not_folded",
        "generated_at",
        "items",
        "run",
    ]
    schema = ", ".join(f"`{name}` {kind}" for name, kind in types.items())
    read = spark.read.schema(schema).parquet(bucket.uri(location("lists") + "/"))
    rows = {r["user_id"]: plain(r) for r in read.collect()}
    assert sorted(rows) == ["u000000", "u000001", "u000002", "u000003"]
    written = rows["u000003"]
    at = written.pop("generated_at")
    assert at.astimezone(datetime.UTC) == datetime.datetime(2025, 1, 9, 3, 31, 3, 123000, datetime.UTC)
    assert written == {
        "user_id": "u000003",
        "recommendation_id": "00000000000000000000000000000003",
        "version": 7,
        "stage": "popular",
        "events_not_folded": 1,
        "items": [
            {"item_id": "item-0", "rank": 1, "score": 1 / 3},
            {"item_id": "item-3", "rank": 2, "score": 1 / 4},
            {"item_id": "item-6", "rank": 3, "score": 1 / 5},
        ],
        "run": "20250109T033100Z-7k2mxq4c",
    }
    assert rows["u000000"]["items"] == []


def it_projects_one_run_that_a_query_names():
    properties = dict(re.findall(r"'([\w.]+)' = '([^']*)'", statement("lists")))
    assert properties["projection.run.type"] == "injected"
    assert (
        properties["storage.location.template"].replace("BUCKET", "b").replace("${run}", "x") == "s3://b/lists/run=x/"
    )
