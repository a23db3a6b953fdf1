"""The stages `read` and `validate`: reads, checks and weighs the covered events."""

import itertools
import json
import time
from concurrent.futures import Future
from dataclasses import dataclass

from botocore.exceptions import ClientError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import arrays, checks, events, holdout, imports, interest, interest_checks, items, matrix, summary
from recflow_glue.arguments import Baseline
from recflow_glue.attempt import Attempt
from recflow_glue.parallel import in_parallel
from recflow_glue.storage import write_table

LATE_PERIOD = 15.0  # seconds between two reads while streamed events are missing
MAX_REPEATED_IDS = 1_000_000  # ids whose hashes are sent to every task
TRAINED_ON = "trained_on"  # scratch files
HISTORIES = "user_id string, history_items array<string>, history_weights array<float>, reference_time timestamp, seen_items array<string>"


@dataclass(frozen=True)
class Input:
    """The input of the training, after all checks."""

    events: DataFrame  # those trained on
    users: DataFrame  # histories with `user` (int) and `holdout`
    items: DataFrame  # item_id, `item` (int), popularity, trained
    items_numbered: int
    metadata: items.Metadata | None
    summary: dict  # the manifest's `input`
    bound: str
    previous: dict  # manifest of the previous version, or empty
    trained_users: int  # users outside the hold-out with a positive weight
    likes: int  # sum of the lengths of all histories


@dataclass(frozen=True)
class ReadResult:
    """The result of the stage `read`."""

    raw: events.Raw
    valid: DataFrame  # the rows without invalid streamed ones
    rows: int
    streamed: events.Streamed
    metadata: items.Metadata | None

    def fields(self, baseline: Baseline) -> dict:
        """Return the fields of the manifest's `input` that describe the rows as read. `streamed` describes all
        covered events; the other fields of `input` describe those trained on."""
        size = {"files": self.raw.files, "bytes": self.raw.bytes, "rows": self.rows}
        return size | {"streamed": self.streamed.fields(baseline)}


def read(r: Attempt) -> ReadResult:
    """Read the events and items, and check every row."""
    raw, streamed = read_events(r)
    metadata, broken = items.read(r.spark, r.bucket, r.scratch)
    raw.broken.extend(broken)
    rows, found = checks.rows(raw, r.read_at)
    r.checks += [*found, imports.check(r.bucket)]
    invalid = any(c.rule == "streamed_rows" and c.count for c in found)
    valid = raw.rows.where(~checks.invalid_streamed(r.read_at)) if invalid else raw.rows
    return ReadResult(raw, valid.drop("_corrupt"), rows, streamed, metadata)


def read_events(r: Attempt) -> tuple[events.Raw, events.Streamed]:
    """Read the events. If the database has streamed events that have not reached the bucket yet,
    wait for them up to config.late_wait and read again: the gate `coverage` refuses a training without them."""
    give_up = time.monotonic() + r.config.late_wait
    for reads in itertools.count():
        raw = events.read(r.spark, r.bucket, r.scratch, r.config, reads)
        streamed = events.streamed(raw.rows, r.config) if raw.streams else events.Streamed({}, {})
        missing = r.config.expected_streamed - streamed.count
        if missing <= 0:
            return raw, streamed
        left = give_up - time.monotonic()
        if left <= 0:
            print(f"{missing} streamed events have not arrived; training without them", flush=True)
            return raw, streamed
        print(f"waiting for {missing} streamed events that have not arrived, at most {left:.0f} s more", flush=True)
        with r.progress.stage("wait for events"):
            r.progress.count(streamed.count, r.config.expected_streamed)
            time.sleep(min(left, LATE_PERIOD))
        r.progress.enter("read")


def validate(r: Attempt, found: ReadResult) -> Input:
    """Remove repeated event ids, weigh the covered events and check the input as a whole.
    Raises DataInvalid."""
    checks.stop_on_failure(r.checks)
    single, repeated = deduplicate(r, found.valid, found.raw.distinct)
    r.checks += checks.duplicates(repeated, found.rows)
    trained_on = single.where(events.covered(r.config) & events.in_range(r.config))
    if found.rows <= arrays.MAX_EVENTS:  # written once, because several queries and the driver read them
        trained_on = matrix.materialize(trained_on.select(arrays.COLUMNS), r.scratch, TRAINED_ON)
    metadata = found.metadata and found.metadata.rows
    with in_parallel(r.spark.sparkContext, lambda: summary.summarize(trained_on, r.config.interest, metadata)) as known:
        return weigh(r, found, trained_on, known)


def weigh(
    r: Attempt, found: ReadResult, trained_on: DataFrame, summarized: "Future[tuple[dict, checks.Check]]"
) -> Input:
    """Number users and items, write their histories to the scratch space, and complete the checks."""
    weighed = histories(r, found.rows, trained_on)
    everyone, n_users = matrix.numbered(weighed, r.scratch, "users_numbered", "user_id", "user")
    bound = holdout.bound(n_users, found.rows)
    everyone = everyone.withColumn("holdout", holdout.contains(bound))
    likes = F.size("history_items")
    catalog, liked = matrix.numbered(matrix.item_counts(everyone), r.scratch, "items_numbered", "item_id", "item")
    full, trained, without, total = everyone.agg(
        F.count_if(likes + F.size("seen_items") >= interest.MAX_ITEMS),
        F.count_if((likes > 0) & ~F.col("holdout")),
        F.count_if(likes == 0),
        F.coalesce(F.sum(likes), F.lit(0)),
    ).first()
    counted, unknown = summarized.result()
    input_ = found.fields(r.config.baseline) | counted
    input_ |= {"users": n_users, "users_without_interest": without}
    input_ |= {"items_without_interest": input_["items"] - liked}
    r.checks += [unknown, checks.history_size(full, interest.MAX_ITEMS)]
    about_interest = interest_checks.run(input_, r.config.interest)
    r.checks += about_interest
    size = {"events": input_["events"], "users": trained, "items": liked}
    causes = "; ".join(c.message for c in about_interest if not c.passed)
    r.checks += checks.minimums(r.config.minimum, size, causes)
    previous = read_previous(r)
    before = previous.get("input", {}).get("event_type_shares")
    r.checks.append(checks.event_type_shares(input_["event_type_shares"], before))
    r.checks.append(checks.streamed_days(found.streamed, r.config.baseline, previous))
    checks.stop_on_failure(r.checks)
    return Input(trained_on, everyone, catalog, liked, found.metadata, input_, bound, previous, trained, total)


def histories(r: Attempt, rows: int, trained_on: DataFrame) -> DataFrame:
    """Return the histories of interest.histories. At most MAX_EVENTS events are weighed on the driver, which takes
    a fraction of the time."""
    if rows > arrays.MAX_EVENTS:
        return interest.histories(trained_on, r.config.interest)
    found = arrays.histories(r.scratch.read(TRAINED_ON), r.config.interest)
    uri = write_table(r.scratch, "histories.parquet", found)
    return r.spark.read.schema(HISTORIES).parquet(uri)


def deduplicate(r: Attempt, rows: DataFrame, distinct: bool) -> tuple[DataFrame, DataFrame | None]:
    """Return each event id once, and the rows of events.deduplicate for the check. If at most
    MAX_REPEATED_IDS ids repeat, only their rows are exchanged."""
    if distinct:
        return rows, None
    repeated = matrix.materialize(events.repeated_ids(rows), r.scratch, "repeated")
    n = repeated.count()
    if n == 0:
        return rows, None
    if n <= MAX_REPEATED_IDS:
        return events.deduplicate_repeated(rows, repeated, r.scratch)
    deduplicated = matrix.materialize(events.deduplicate(rows), r.scratch, "deduplicated")
    return deduplicated.drop("copies", "conflict"), deduplicated


def read_previous(r: Attempt) -> dict:
    """Return the manifest of the previous version, or an empty dict if there is none or it cannot be read."""
    try:
        found = json.loads(r.bucket.get(r.config.previous_manifest)) if r.config.previous_manifest else {}
    except (ClientError, ValueError):
        found = {}
    return found if isinstance(found, dict) else {}
