"""Small data sets and rows for tests."""

import gzip
import io
import json
import random
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import at

from recflow_glue.events import COLUMNS
from recflow_glue.formats import INTERACTIONS
from recflow_glue.storage import Bucket

DDL = (
    "event_id string, user_id string, item_id string, event_type string, value double, "
    "occurred_at timestamp, stored_at timestamp, streamed boolean"
)


def row(event_id, user_id="u", item_id="i", event_type="click", seconds=0.0, value=None, stored=None) -> dict:
    """Return an event. It is a streamed event if stored is set."""
    values = (
        event_id,
        user_id,
        item_id,
        event_type,
        value,
        at(seconds),
        None if stored is None else at(stored),
        stored is not None,
    )
    return dict(zip(COLUMNS, values, strict=True))


def frame(spark, rows: list[dict]):
    return spark.createDataFrame([tuple(r[c] for c in COLUMNS) for r in rows], DDL)


def table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist([{k: r[k] for k in INTERACTIONS.names} for r in rows], schema=INTERACTIONS)


def put_interactions(bucket: Bucket, rows: list[dict], name: str = "part") -> None:
    """Write imported events like `recflow import`: one object per day."""
    days: dict[str, list[dict]] = {}
    for r in rows:
        days.setdefault(r["occurred_at"].strftime("%Y-%m-%d"), []).append(r)
    for day, part in days.items():
        put_table(bucket, f"raw/interactions/dt={day}/{name}.parquet", table(part))


def put_table(bucket: Bucket, key: str, rows: pa.Table) -> None:
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    bucket.put(key, sink.getvalue())


def put_stream(bucket: Bucket, rows: list[dict], name: str = "part") -> None:
    """Write streamed events like the stream: JSON lines, gzip."""
    lines = []
    for r in rows:
        e = {k: r[k] for k in INTERACTIONS.names if r[k] is not None} | {
            "stored_at": rfc(r["stored_at"]),
            "occurred_at": rfc(r["occurred_at"]),
        }
        lines.append(json.dumps(e) + "\n")
    bucket.put(f"raw/events/dt=2017-01-01/hour=00/{name}.gz", gzip.compress("".join(lines).encode()))


def rfc(t: datetime) -> str:
    return t.isoformat().replace("+00:00", "Z")


def put_items(bucket: Bucket, ids: list[str], name: str = "items", title: str = "Title of ") -> None:
    put_table(
        bucket,
        f"raw/items/{name}.parquet",
        pa.table(
            {
                "item_id": ids,
                "title": [title + i for i in ids],
                "category": [i[-1:] for i in ids],
                "tags": [[i[:1]] for i in ids],
            }
        ),
    )


def shop(users: int = 80, items: int = 40, groups: int = 4, seed: int = 1) -> list[dict]:
    """Return events of days 0 to 19 of 2017. Each user buys mostly from one group of items,
    so that factors score higher than popularity."""
    rng = random.Random(seed)
    out = []
    for u in range(users):
        group = [i for i in range(items) if i % groups == u % groups]
        bought = rng.sample(group, len(group) * 4 // 5) + rng.sample(range(items), 2)
        for i in bought:
            kind = rng.choice(["purchase", "click", "view", "impression"])
            out.append(row(f"e{len(out)}", f"user{u}", f"item{i}", kind, rng.randrange(20 * 86400)))
    return out


def shift(rows: list[dict], days: int) -> list[dict]:
    return [r | {"occurred_at": r["occurred_at"] + timedelta(days=days)} for r in rows]
