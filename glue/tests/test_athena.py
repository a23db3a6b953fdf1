"""The tables in docs/athena read the objects that the stream delivers. Spark stands in for Athena."""

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
