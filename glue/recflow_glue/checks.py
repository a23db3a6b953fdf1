"""Named rules over the input. A failing error rule stops the run before training."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recflow_glue.arguments import Config, Minimum
from recflow_glue.events import Raw, micros

MAX_ID_BYTES = 256
SAMPLES = 5
TOLERATED = 0.01  # share of rows up to which an implausible time or a conflict is only counted
SHARE_SHIFT = 0.2  # change of an event type's share that is worth a look
IDS = ("event_id", "user_id", "item_id", "event_type")


class DataInvalid(Exception):
    """The events cannot be trained on as they are."""


@dataclass(frozen=True)
class Check:
    """The result of one rule; the manifest's `checks` entry. Samples are event
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
    failed = [c for c in checks if c.severity == "error" and not c.passed]
    if failed:
        parts = []
        for c in failed:
            such = f" (for example {', '.join(c.samples)})" if c.samples else ""
            parts.append(f"rule {c.rule}: {c.message}{such}")
        raise DataInvalid("; ".join(parts))


def bad_ids() -> Column:
    """An id that is empty, too long, or holds a control character (Unicode's Cc)."""
    wrong = F.concat_ws("", *IDS).rlike(r"[\x00-\x1f\x7f-\x9f]")
    for c in IDS:
        wrong = wrong | (F.length(c) == 0) | (F.octet_length(c) > MAX_ID_BYTES)
    return wrong


def row_conditions(read_at: datetime) -> dict[str, Column]:
    """What makes one row break a rule. A line that is not JSON breaks `schema` only."""
    sound = F.col("_corrupt").isNull()
    t, value = F.col("occurred_at"), F.col("value")
    no_id = F.concat(*IDS).isNull()
    no_time = t.isNull() | (F.col("streamed") & F.col("stored_at").isNull())
    # Seconds taken for milliseconds land in January 1970, the reverse far ahead.
    odd = (t < F.lit("1971-01-01").cast("timestamp")) | (t > micros(read_at + timedelta(days=1)))
    return {
        "schema": ~sound,
        "null_ids": sound & no_id,
        "bad_ids": sound & bad_ids(),
        "null_times": sound & no_time,
        "time_range": odd,
        "rating_values": (F.col("event_type") == "rating") & (value.isNull() | F.isnan(value)),
    }


def rows(raw: Raw, read_at: datetime) -> tuple[int, list[Check]]:
    """Count the rows and check each, in one pass; samples cost a second one when a rule is broken."""
    conditions = row_conditions(read_at)
    counts = (
        raw.rows.agg(F.count("*").alias("rows"), *(F.count_if(c).alias(n) for n, c in conditions.items()))
        .first()
        .asDict()
    )
    samples = {n: sample(raw.rows.where(c)) if counts[n] else [] for n, c in conditions.items()}
    n = counts["rows"]
    schema = counts["schema"] + len(raw.broken)
    broken = raw.broken + (raw.bad_lines(SAMPLES) if counts["schema"] else [])
    few = n * TOLERATED
    checks = [
        Check(
            "schema",
            "error",
            schema == 0,
            schema,
            f"{len(raw.broken)} objects and {counts['schema']} lines are not in the format of docs/data.md"
            + (f", the first because {broken[0][1]}" if broken else "")
            + "; rewrite or remove them",
            [key for key, _ in broken[:SAMPLES]],
        ),
        error("null_ids", counts, samples, "rows lack an event, user or item id or an event type; import them again with every column mapped"),
        error("bad_ids", counts, samples, f"rows have an id that is empty, longer than {MAX_ID_BYTES} bytes or has a control character; map another column or clean the ids"),
        error("null_times", counts, samples, "rows have no readable time; write RFC 3339 times"),
        Check("time_range", "error", counts["time_range"] <= few, counts["time_range"],
              f"{counts['time_range']} of {n} rows occurred before 1971 or more than a day after this reading; check the unit of the time column",
              samples["time_range"]),
        Check("rating_values", "warning", counts["rating_values"] == 0, counts["rating_values"],
              f"{counts['rating_values']} ratings have no value and count as seen only", samples["rating_values"]),
    ]  # fmt: skip
    return n, checks


def error(rule: str, counts: dict[str, int], samples: dict[str, list[str]], text: str) -> Check:
    return Check(rule, "error", counts[rule] == 0, counts[rule], f"{counts[rule]} {text}", samples[rule])


def sample(df: DataFrame) -> list[str]:
    found = df.select("event_id").where(F.col("event_id").isNotNull()).limit(SAMPLES).collect()
    return sorted({printable(r[0]) for r in found})


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:80]


def copies(found: DataFrame | None, n: int) -> list[Check]:
    """found: one row per event id with `copies` and `conflict`; None when no id repeats."""
    again = conflicts = 0
    samples: list[str] = []
    if found is not None:
        again, conflicts = found.agg(F.coalesce(F.sum(F.col("copies") - 1), F.lit(0)), F.count_if("conflict")).first()
        samples = sample(found.where("conflict")) if conflicts else []
    return [
        Check("duplicates", "warning", again == 0, again, f"{again} rows repeat an event id and were counted once"),
        Check("conflicting_ids", "error", conflicts <= n * TOLERATED, conflicts,
              f"{conflicts} event ids name different events, of which one counts; give every event an id of its own", samples),
    ]  # fmt: skip


def unknown_items(counts: DataFrame, metadata: DataFrame | None) -> tuple[int, Check]:
    """counts: item_id, events. Returns how many items there are, and the check.
    Items without metadata still train; lists show their id."""
    if metadata is None:
        return counts.count(), Check("unknown_items", "warning", True, 0, "no item metadata was imported")
    named = counts.join(metadata.select("item_id", F.lit(True).alias("known")), "item_id", "left")
    unknown = F.col("known").isNull()
    first = F.min_by(F.when(unknown, F.col("item_id")), F.when(unknown, -F.col("events")))
    n, items, events, most = named.agg(
        F.count("*"), F.count_if(unknown), F.coalesce(F.sum(F.when(unknown, F.col("events"))), F.lit(0)), first
    ).first()
    message = f"{events} events name {items} items that raw/items does not have"
    samples = [printable(most)] if items else []
    return n, Check("unknown_items", "warning", items == 0, events, message, samples)


def history_size(over: int, most: int) -> Check:
    """Who likes more items than can be loaded is no person."""
    message = f"{over} users like more than {most:,} items and were left out" if over else "every history can be loaded"
    return Check("history_size", "warning", over == 0, over, message)


def minimums(least: Minimum, found: dict[str, int]) -> list[Check]:
    """found: events, and the users and items that some event counts for. Only users that are not held out train."""
    what = {
        "events": "covered events",
        "users": "users outside the hold-out with an event that counts",
        "items": "items with an event that counts",
    }
    return [
        Check(f"minimum_{name}", "error", found[name] >= getattr(least, name), found[name],
              f"{found[name]} {text}, at least {getattr(least, name)} are needed; widen the time range, import more, or give the event types a weight")
        for name, text in what.items()
    ]  # fmt: skip


def event_type_shares(now: dict[str, float], before: dict[str, float] | None) -> Check:
    """Compare the mix of events with the previous version's."""
    if not before:
        return Check("event_type_shares", "warning", True, 0, "there is no previous version to compare with")
    moved = {t: now.get(t, 0.0) - before.get(t, 0.0) for t in sorted(now.keys() | before.keys())}
    moved = {t: d for t, d in moved.items() if abs(d) > SHARE_SHIFT}
    text = ", ".join(f"{printable(t)} {before.get(t, 0.0):.0%} → {now.get(t, 0.0):.0%}" for t in moved)
    message = (
        f"the share of an event type moved: {text}; see whether a producer stopped"
        if moved
        else "the mix of events is as before"
    )
    return Check("event_type_shares", "warning", not moved, len(moved), message)


def previous_shares(config: Config, read) -> dict[str, float] | None:
    """The event type shares of the previous manifest, if it can be read."""
    if not config.previous_manifest:
        return None
    manifest = read(config.previous_manifest)
    return (manifest or {}).get("input", {}).get("event_type_shares")
