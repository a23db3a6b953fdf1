"""The data quality rules. A failed rule of severity error stops the run before training."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recflow_glue.arguments import Baseline, Minimum, rfc3339
from recflow_glue.events import Raw, Streamed, day_sets, micros
from recflow_glue.interest import RATING, folded_type
from recflow_glue.settings import Settings

MAX_ID_BYTES = 256
SAMPLES = 5
TOLERATED = 0.01  # share of rows that may have an implausible time or a conflict
SHARE_SHIFT = 0.2  # change of an event type's share above which a warning is given
IDS = ("event_id", "user_id", "item_id", "event_type")
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)  # recsys.EarliestEvent in Go
LATEST = timedelta(days=1)  # after the rows were read; the stream sets later times to the arrival


class DataInvalid(Exception):
    """The events are not valid training data."""


@dataclass(frozen=True)
class Check:
    """The result of one rule; an entry of the manifest's `checks`. Samples are event
    ids, item ids or object keys, never user ids."""

    rule: str
    severity: str
    passed: bool
    count: int
    message: str
    samples: list[str] = field(default_factory=list)

    def fields(self) -> dict:
        return {k: v for k, v in asdict(self).items() if k != "samples" or v}


def stop_on_failure(checks: list[Check]) -> None:
    """Raise DataInvalid with the message of every failed rule of severity error."""
    failed = [c for c in checks if c.severity == "error" and not c.passed]
    if failed:
        parts = []
        for c in failed:
            examples = f" (for example {', '.join(c.samples)})" if c.samples else ""
            parts.append(f"rule {c.rule}: {c.message}{examples}")
        raise DataInvalid("; ".join(parts))


def bad_ids() -> Column:
    """True if an id is empty, too long, or has a control character (Unicode category Cc)."""
    wrong = F.concat_ws("", *IDS).rlike(r"[\x00-\x1f\x7f-\x9f]")
    for c in IDS:
        wrong = wrong | (F.length(c) == 0) | (F.octet_length(c) > MAX_ID_BYTES)
    return wrong


def row_conditions(read_at: datetime) -> dict[str, Column]:
    """Return, for each rule, the condition of a row that violates it. A line that is not JSON violates only `schema`."""
    parsed = F.col("_corrupt").isNull()
    t, value = F.col("occurred_at"), F.col("value")
    no_id = F.concat(*IDS).isNull()
    no_time = t.isNull() | (F.col("streamed") & F.col("stored_at").isNull())
    # Seconds read as milliseconds are in January 1970; milliseconds read as seconds are far in the future.
    implausible = (t < micros(EARLIEST)) | (t > micros(read_at + LATEST))
    return {
        "schema": ~parsed,
        "null_ids": parsed & no_id,
        "bad_ids": parsed & bad_ids(),
        "null_times": parsed & no_time,
        "time_range": implausible,
        "rating_values": (folded_type() == RATING) & (value.isNull() | F.isnan(value)),
    }


def invalid_streamed(read_at: datetime) -> Column:
    """True for a streamed row that violates a rule. Such a row is not trained on: a producer must not be able
    to stop the trainings."""
    violated = (F.coalesce(c, F.lit(False)) for n, c in row_conditions(read_at).items() if n != "rating_values")
    return F.col("streamed") & reduce(Column.__or__, violated)


def rows(raw: Raw, read_at: datetime) -> tuple[int, list[Check]]:
    """Count and check all rows in one pass. A violated rule needs a second pass, for its samples."""
    conditions = row_conditions(read_at)
    streamed = {f"streamed_{n}": F.col("streamed") & c for n, c in conditions.items() if n != "rating_values"}
    counted = {n: c if n == "rating_values" else ~F.col("streamed") & c for n, c in conditions.items()}
    counted |= streamed | {"streamed": invalid_streamed(read_at)}
    counts = (
        raw.rows.agg(F.count("*").alias("rows"), *(F.count_if(c).alias(n) for n, c in counted.items())).first().asDict()
    )
    samples = {n: sample(raw.rows.where(c)) if counts[n] else [] for n, c in counted.items() if n not in streamed}
    n = counts["rows"]
    broken, tolerated = raw.broken, n * TOLERATED
    checks = [
        Check(
            "schema",
            "error",
            not broken,
            len(broken),
            f"{len(broken)} objects are not in the format of docs/data.md, the first: {broken[0][1]}; rewrite or remove them"
            if broken
            else "every object is in the format of docs/data.md",
            [key for key, _ in broken[:SAMPLES]],
        ),
        streamed_rows(raw, counts, samples["streamed"]),
        error("null_ids", counts, samples, "every event has its ids and a type",
              "rows have no event, user or item id or no event type; import them again with every column mapped"),
        error("bad_ids", counts, samples, "every id is valid",
              f"rows have an id that is empty, longer than {MAX_ID_BYTES} bytes or has a control character; map another column or correct the ids"),
        error("null_times", counts, samples, "every event has a time", "rows have no readable time; write RFC 3339 times"),
        Check("time_range", "error", counts["time_range"] <= tolerated, counts["time_range"],
              time_text(counts["time_range"], n, tolerated), samples["time_range"]),
        Check("rating_values", "warning", counts["rating_values"] == 0, counts["rating_values"],
              f"{counts['rating_values']} ratings have no value; they have no weight, and their items count as seen"
              if counts["rating_values"] else "every rating has a value", samples["rating_values"]),
    ]  # fmt: skip
    return n, checks


def time_text(n: int, rows: int, tolerated: float) -> str:
    if not n:
        return "every event is from 1971 or later and not from the future"
    text = f"{n} of {rows} rows occurred before 1971 or more than a day after they were read"
    return text if n <= tolerated else f"{text}; check the unit of the time column"


def streamed_days(streamed: Streamed, baseline: Baseline, previous: dict) -> Check:
    """Compare the streamed events that the baseline covers with those that its training read, by day."""
    read_before = previous.get("coverage", {}).get("stored_to")
    if not baseline.version or read_before != rfc3339(baseline.stored_to):
        return Check(
            "streamed_days", "warning", True, 0, "there is no earlier training to compare streamed events with"
        )
    known = previous.get("input", {}).get("streamed", {}).get("days", [])
    was = {d["day"]: (d["count"], d["hash"]) for d in known}
    now = {d["day"]: (d["count"], d["hash"]) for d in day_sets(streamed.earlier)}
    changed = sorted(day for day in was.keys() | now.keys() if was.get(day) != now.get(day))
    text = f"the streamed events of every day are those that version {baseline.version} was trained on"
    if changed:
        day = changed[0]
        text = (
            f"the streamed events of {len(changed)} days are not those that version {baseline.version} was trained on: "
            f"{now.get(day, (0,))[0]} on {day} instead of {was.get(day, (0,))[0]}; find what changed raw/events"
        )
    return Check("streamed_days", "warning", not changed, len(changed), text, changed[:SAMPLES])


def streamed_rows(raw: Raw, counts: dict[str, int], samples: list[str]) -> Check:
    """Check for streamed rows that are not trained on. counts has their number for each rule."""
    n, prefix = counts["streamed"], "streamed_"
    rules = {k.removeprefix(prefix): v for k, v in counts.items() if k.startswith(prefix) and v}
    lines = raw.bad_lines(SAMPLES) if "schema" in rules else []
    message = f"{n} streamed rows are not trained on" if n else "every streamed row is trained on"
    message += f" ({', '.join(f'{k}: {v}' for k, v in rules.items())})" if rules else ""
    message += f"; the first of them: {lines[0][1]} in {lines[0][0]}" if lines else ""
    return Check("streamed_rows", "warning", n == 0, n, message, [*(key for key, _ in lines), *samples][:SAMPLES])


def error(rule: str, counts: dict[str, int], samples: dict[str, list[str]], passed: str, failed: str) -> Check:
    """Return a check that passes if no row violates the rule."""
    n = counts[rule]
    return Check(rule, "error", n == 0, n, f"{n} {failed}" if n else passed, samples[rule])


def sample(df: DataFrame) -> list[str]:
    found = df.select("event_id").where(F.col("event_id").isNotNull()).limit(SAMPLES).collect()
    return sorted({printable(r[0]) for r in found})


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:80]


def duplicates(found: DataFrame | None, n: int) -> list[Check]:
    """Check for repeated event ids. found has one row per event id with `copies` and `conflict`;
    it is None if no id repeats."""
    repeats = conflicts = streamed = 0
    samples: list[str] = []
    if found is not None:
        repeats, conflicts, streamed = found.agg(
            F.coalesce(F.sum(F.col("copies") - 1), F.lit(0)),
            F.count_if(F.col("conflict") & ~F.col("streamed")),
            F.count_if(F.col("conflict") & F.col("streamed")),
        ).first()
        samples = sample(found.where("conflict and not streamed")) if conflicts else []
    return [
        Check("streamed_conflicts", "warning", streamed == 0, streamed,
              f"{streamed} event ids belong to different streamed events, of which the one stored first counts"
              if streamed else "no event id belongs to different streamed events"),
        Check("duplicates", "warning", repeats == 0, repeats,
              f"{repeats} rows repeat an event id and are not counted again" if repeats else "no row repeats an event id"),
        Check("conflicting_ids", "error", conflicts <= n * TOLERATED, conflicts, conflict_text(conflicts, n), samples),
    ]  # fmt: skip


def conflict_text(n: int, rows: int) -> str:
    if not n:
        return "no event id belongs to different events"
    text = f"{n} event ids belong to different events, of which only one counts"
    return (
        text
        if n <= rows * TOLERATED
        else f"{text}; give every event a unique id, or import without the id column (--id-column none)"
    )


def unknown_items(counts: DataFrame, metadata: DataFrame | None) -> tuple[int, Check]:
    """Return the number of items and the check for items without metadata. counts has
    item_id and events. Items without metadata are trained on; lists show their id."""
    if metadata is None:
        return counts.count(), Check("unknown_items", "warning", True, 0, "raw/items has no metadata")
    named = counts.join(metadata.select("item_id", F.lit(True).alias("known")), "item_id", "left")
    unknown = F.col("known").isNull()
    first = F.min_by(F.when(unknown, F.col("item_id")), F.when(unknown, -F.col("events")))
    n, items, events, most = named.agg(
        F.count("*"), F.count_if(unknown), F.coalesce(F.sum(F.when(unknown, F.col("events"))), F.lit(0)), first
    ).first()
    message = (
        f"{events} events belong to {items} items without metadata in raw/items"
        if items
        else "every item has metadata in raw/items"
    )
    samples = [printable(most)] if items else []
    return n, Check("unknown_items", "warning", items == 0, events, message, samples)


def history_size(full: int, most: int) -> Check:
    """Check for users with a full history. Such a user is rarely a person."""
    message = (
        f"{full} users have {most:,} items or more; only the {most:,} heaviest are used"
        if full
        else f"every user has fewer than {most:,} items"
    )
    return Check("history_size", "warning", full == 0, full, message)


def minimums(minimum: Minimum, found: dict[str, int], causes: str = "") -> list[Check]:
    """Check the size of the input. found has the numbers of events, of users outside the hold-out
    with a counting event, and of items with one. causes is why events may not count."""
    more = "extend the time range, or import more events"
    rules = {
        "events": ("covered events", more),
        "users": ("users outside the hold-out with a counting event", "; ".join(filter(None, (causes, more)))),
        "items": ("items with a counting event", more),
    }
    checks = []
    for name, (text, advice) in rules.items():
        n, least = found[name], getattr(minimum, name)
        message = f"{n} {text}, at least {least} are needed" + ("" if n >= least else f"; {advice}")
        checks.append(Check(f"minimum_{name}", "error", n >= least, n, message))
    return checks


def event_type_shares(now: dict[str, float], before: dict[str, float] | None) -> Check:
    """Compare the shares of the event types with those of the previous version."""
    if not before:
        return Check("event_type_shares", "warning", True, 0, "no previous version to compare with")
    changed = {t: now.get(t, 0.0) - before.get(t, 0.0) for t in sorted(now.keys() | before.keys())}
    changed = {t: d for t, d in changed.items() if abs(d) > SHARE_SHIFT}
    text = ", ".join(f"{printable(t)} {before.get(t, 0.0):.0%} → {now.get(t, 0.0):.0%}" for t in changed)
    message = (
        f"the share of an event type changed: {text}; check whether a producer stopped"
        if changed
        else "the shares of the event types are similar to the previous version"
    )
    return Check("event_type_shares", "warning", not changed, len(changed), message)


def objective(now: Settings, before: dict | None) -> Check:
    """Compare the objective of the training with that of the previous version. before is `parameters` of
    its manifest. α and λ follow the data, so only the trainer and the exponent are compared."""
    if not before:
        return Check("objective", "warning", True, 0, "no previous version to compare with")
    names = ("trainer", "regularization_exponent")
    changed = [f"{n} {before.get(n)} → {getattr(now, n)}" for n in names if before.get(n) != getattr(now, n)]
    message = (
        f"the training has another objective than the previous version: {', '.join(changed)}; compare their quality"
        if changed
        else "the training has the objective of the previous version"
    )
    return Check("objective", "warning", not changed, len(changed), message)
