"""From the bucket to covered, checked and weighed events."""

import json
from dataclasses import dataclass

from botocore.exceptions import ClientError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import checks, events, holdout, interest, items, train
from recflow_glue.attempt import Attempt
from recflow_glue.storage import Bucket


@dataclass(frozen=True)
class Input:
    """Covered events and what is known about them."""

    events: DataFrame
    users: DataFrame  # histories with `user` (int) and `holdout`
    items: DataFrame  # item_id, `item` (int), popularity, trained
    metadata: DataFrame | None
    summary: dict  # the manifest's `input`
    bound: str
    trained_users: int  # not held out, with a positive weight
    likes: int  # items in all histories together


@dataclass(frozen=True)
class Reading:
    """What the read stage found."""

    raw: events.Raw
    rows: int
    metadata: DataFrame | None


def read(r: Attempt) -> Reading:
    """Read the events and items and check every row."""
    raw = events.read(r.spark, r.bucket, r.scratch, r.config)
    metadata, broken = items.read(r.spark, r.bucket, r.scratch)
    raw.broken.extend(broken)
    rows, found = checks.rows(raw, r.read_at)
    r.checks += found
    return Reading(raw, rows, metadata)


def validate(r: Attempt, found: Reading) -> Input:
    """Settle duplicates, weigh what is covered and check the whole. Raises
    DataInvalid before anything is trained."""
    checks.stop_on_failure(r.checks)
    single, repeated = settle(r, found.raw)
    r.checks += checks.copies(repeated, found.rows)
    covered = single.where(events.covered(r.config))
    weighed = interest.histories(covered, r.config.interest)
    users, n_users = train.numbered(weighed, r.scratch, "users_numbered", "user_id", "user")
    bound = holdout.bound(n_users)
    users = users.withColumn("holdout", holdout.contains(bound))
    catalogue, liked = train.numbered(train.item_counts(users), r.scratch, "items_numbered", "item_id", "item")
    summary, unknown = summarise(found, covered)
    likes = F.size("history_items")
    trained, total = users.agg(F.count_if((likes > 0) & ~F.col("holdout")), F.coalesce(F.sum(likes), F.lit(0))).first()
    r.checks.append(unknown)
    r.checks += checks.minimums(r.config.minimum, {"events": summary["events"], "users": trained, "items": liked})
    before = checks.previous_shares(r.config, lambda key: read_json(r.bucket, key))
    r.checks.append(checks.event_type_shares(summary["event_type_shares"], before))
    checks.stop_on_failure(r.checks)
    summary["users"] = n_users
    return Input(covered, users, catalogue, found.metadata, summary, bound, trained, total)


def settle(r: Attempt, raw: events.Raw) -> tuple[DataFrame, DataFrame | None]:
    """Each event id once. The exchange is only paid when some id repeats."""
    rows = raw.rows.drop("_corrupt")
    if raw.distinct or events.repeated_ids(rows) == 0:
        return rows, None
    kept = train.keep(events.once(rows), r.scratch, "once")
    return kept.drop("copies", "conflict"), kept


def summarise(found: Reading, covered: DataFrame) -> tuple[dict, checks.Check]:
    """The manifest's `input`, but for its users, and the check of unknown items."""
    hash_ = F.when(F.first("streamed"), events.id_hash(F.when(F.col("streamed"), F.col("event_id"))))
    by_type = covered.groupBy("event_type", "streamed").agg(F.count("*").alias("n"), hash_.alias("hash")).collect()
    total = sum(t["n"] for t in by_type)
    types: dict[str, int] = {}
    bits = 0
    for t in by_type:
        types[t["event_type"]] = types.get(t["event_type"], 0) + t["n"]
        bits ^= t["hash"] or 0
    n_items, unknown = checks.unknown_items(
        covered.groupBy("item_id").agg(F.count("*").alias("events")), found.metadata
    )
    return {
        "files": found.raw.files,
        "bytes": found.raw.bytes,
        "rows": found.rows,
        "events": total,
        "users": 0,
        "items": n_items,
        "streamed": {"count": sum(t["n"] for t in by_type if t["streamed"]), "hash": events.unsigned_hex(bits)},
        "event_type_shares": {t: n / total for t, n in sorted(types.items())},
    }, unknown


def read_json(bucket: Bucket, key: str) -> dict | None:
    """A JSON object of the bucket; None when it is gone: comparing is optional."""
    try:
        return json.loads(bucket.get(key))
    except (ClientError, ValueError):
        return None
