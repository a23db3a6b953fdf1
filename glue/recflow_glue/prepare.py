"""From the bucket to covered, checked and weighed events."""

import json
from concurrent.futures import Future
from dataclasses import dataclass

from botocore.exceptions import ClientError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import checks, events, holdout, interest, items, train
from recflow_glue.attempt import Attempt
from recflow_glue.beside import beside
from recflow_glue.storage import Bucket

MOST_REPEATED = 1_000_000  # ids whose hashes are sent to every task


@dataclass(frozen=True)
class Input:
    """Covered events and what is known about them."""

    events: DataFrame  # trained on
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
    trained_on = single.where(events.covered(r.config) & events.in_range(r.config))
    with beside(r.spark.sparkContext, lambda: summarise(r, found, trained_on)) as summary:
        return weigh(r, found, trained_on, summary)


def weigh(r: Attempt, found: Reading, trained_on: DataFrame, summarised: "Future[tuple[dict, checks.Check]]") -> Input:
    """Number users and items, keep their histories, and end the checks."""
    weighed = interest.histories(trained_on, r.config.interest)
    everyone, n_users = train.numbered(weighed, r.scratch, "users_numbered", "user_id", "user")
    bound = holdout.bound(n_users, found.rows)
    everyone = everyone.withColumn("holdout", holdout.contains(bound))
    likes = F.size("history_items")
    fits = likes <= interest.MOST_ITEMS
    users = everyone.where(fits)
    catalogue, liked = train.numbered(train.item_counts(users), r.scratch, "items_numbered", "item_id", "item")
    over, trained, total = everyone.agg(
        F.count_if(~fits),
        F.count_if(fits & (likes > 0) & ~F.col("holdout")),
        F.coalesce(F.sum(F.when(fits, likes)), F.lit(0)),
    ).first()
    summary, unknown = summarised.result()
    summary["users"] = n_users - over
    r.checks += [unknown, checks.history_size(over, interest.MOST_ITEMS)]
    r.checks += checks.minimums(r.config.minimum, {"events": summary["events"], "users": trained, "items": liked})
    before = checks.previous_shares(r.config, lambda key: read_json(r.bucket, key))
    r.checks.append(checks.event_type_shares(summary["event_type_shares"], before))
    checks.stop_on_failure(r.checks)
    return Input(trained_on, users, catalogue, found.metadata, summary, bound, trained, total)


def settle(r: Attempt, raw: events.Raw) -> tuple[DataFrame, DataFrame | None]:
    """Each event id once. Only the rows of ids that repeat are exchanged, unless they are very many."""
    rows = raw.rows.drop("_corrupt")
    if raw.distinct:
        return rows, None
    repeated = train.keep(events.repeated_ids(rows), r.scratch, "repeated")
    n = repeated.count()
    if n == 0:
        return rows, None
    if n <= MOST_REPEATED:
        return events.once_among(rows, repeated, r.scratch)
    kept = train.keep(events.once(rows), r.scratch, "once")
    return kept.drop("copies", "conflict"), kept


def summarise(r: Attempt, found: Reading, trained_on: DataFrame) -> tuple[dict, checks.Check]:
    """The manifest's `input`, but for its users, and the check of unknown items.
    The streamed set is of all covered events, the rest of those trained on."""
    by_type = trained_on.groupBy("event_type").agg(F.count("*").alias("n")).collect()
    types = {t["event_type"]: t["n"] for t in by_type}
    total = sum(types.values())
    per_item = trained_on.groupBy("item_id").agg(F.count("*").alias("events"))
    n_items, unknown = checks.unknown_items(per_item, found.metadata)
    return {
        "files": found.raw.files,
        "bytes": found.raw.bytes,
        "rows": found.rows,
        "events": total,
        "users": 0,
        "items": n_items,
        "streamed": events.streamed_set(found.raw.rows, r.config),
        "event_type_shares": {t: n / total for t, n in sorted(types.items())},
    }, unknown


def read_json(bucket: Bucket, key: str) -> dict | None:
    """A JSON object of the bucket; None when it is gone: comparing is optional."""
    try:
        return json.loads(bucket.get(key))
    except (ClientError, ValueError):
        return None
