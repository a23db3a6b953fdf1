"""Counts the events that are trained on, by type: the manifest's `input`, from which checks find what an
interest makes of the data."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recflow_glue import checks
from recflow_glue.arguments import MAX_INTEREST, Interest
from recflow_glue.interest import RATING, finite_value, folded_type, without_impressions

MAX_TYPES = 50  # event types in the manifest
OTHER = "other"  # the rest of them
MAX_SETS = 200  # sets of event types in the manifest
PERCENTILES = [n / 100 for n in range(101)]
ACCURACY = 1000  # of a percentile: 1 / this share of the events
SAMPLED_ROWS = 250_000  # whose values and contents are compared


def summarize(events: DataFrame, interest: Interest, metadata: DataFrame | None) -> tuple[dict, checks.Check]:
    """Return the fields of the manifest's `input` that describe these events, without the users, and the
    check of unknown items."""
    counts = type_counts(events, interest).persist()
    types = frequent_types(counts)
    total = sum(t["events"] for t in types)
    per_item = counts.groupBy("item_id").agg(F.sum("events").alias("events"))
    n_items, unknown = checks.unknown_items(per_item, metadata)
    bits = type_bits(types)
    items = counts.groupBy("item_id").agg(F.bit_or(F.when(F.col("counting") > 0, bits).otherwise(0)).alias("bits"))
    item_types = type_sets(items, types, "items")
    counts.unpersist()
    counting = F.when(adds_interest(interest), bits).otherwise(0)
    users = without_impressions(events).groupBy("user_id").agg(F.bit_or(counting).alias("bits"))
    share = max(1, -(-total // SAMPLED_ROWS))
    sample = sampled(events, share).persist()
    add_percentiles(sample, types)
    repeated = repeated_content(sample) * share
    sample.unpersist()
    return {
        "events": total,
        "items": n_items,
        "event_type_shares": {t["type"]: t["events"] / total for t in sorted(types, key=lambda t: t["type"])},
        "event_types": types,
        "user_types": type_sets(users, types, "users"),
        "item_types": item_types,
        "repeated_content": repeated,
    }, unknown


def adds_interest(interest: Interest) -> Column:
    """True for an event that adds interest if its type has a positive weight: one that is no return and,
    for a rating, is not below the threshold."""
    value = finite_value()
    liked = (folded_type() != RATING) | F.coalesce(value >= interest.rating_threshold, F.lit(False))
    return liked & F.coalesce(value >= 0, F.lit(True))


def type_counts(events: DataFrame, interest: Interest) -> DataFrame:
    """Return one row per item and event type."""
    value, most = finite_value(), F.lit(float(MAX_INTEREST))
    return events.groupBy("item_id", "event_type").agg(
        F.count("*").alias("events"),
        F.count_if(adds_interest(interest)).alias("counting"),
        F.count(value).alias("values"),
        F.count_if(value < 0).alias("negative"),
        F.coalesce(F.sum(F.when(value > 0, F.least(value, most))), F.lit(0.0)).alias("sum_positive"),
        F.coalesce(F.sum(F.when(value < 0, F.least(-value, most))), F.lit(0.0)).alias("sum_negative"),
        F.min(value).alias("low"),
        F.max(value).alias("high"),
    )


def frequent_types(counts: DataFrame) -> list[dict]:
    """Return the counts of the MAX_TYPES most frequent types, most frequent first, and of all others as
    `other`. Producers choose the types, so their number has no bound."""
    fields = [c for c in counts.columns if c not in ("item_id", "event_type", "low", "high")]
    by_type = counts.groupBy(F.col("event_type").alias("type")).agg(
        *(F.sum(f).alias(f) for f in fields), F.min("low").alias("low"), F.max("high").alias("high")
    )
    top = [t.asDict() for t in by_type.orderBy(F.desc("events"), "type").limit(MAX_TYPES).collect()]
    sums = counts.agg(*(F.coalesce(F.sum(f), F.lit(0)).alias(f) for f in fields)).first().asDict()
    rest = {f: sums[f] - sum(t[f] for t in top) for f in fields}
    if not rest["events"]:
        return top
    named = next((t for t in top if t["type"] == OTHER), None)
    if named is None:
        return [*top, {"type": OTHER, "low": None, "high": None} | rest]
    named |= {f: named[f] + rest[f] for f in fields}
    return top


def sampled(events: DataFrame, share: int) -> DataFrame:
    """Return type, value and hash of the content of one in `share` contents. Equal events have the same hash, so
    the sample has all copies of an event or none."""
    content = F.xxhash64("user_id", "item_id", "event_type", "occurred_at", "value")
    rows = without_impressions(events).select("event_type", finite_value().alias("value"), content.alias("hash"))
    return rows.where(F.pmod("hash", F.lit(share)) == 0)


def add_percentiles(sample: DataFrame, types: list[dict]) -> None:
    """Add the percentiles 0 to 100 of the values to the types that have values. The first and the last are those
    of all events, the others those of the sample."""
    valued = {t["type"]: t for t in types if t["values"] and t["type"] != OTHER}
    if valued:
        values = sample.where(F.col("event_type").isin(list(valued)))
        quantiles = F.percentile_approx("value", PERCENTILES, ACCURACY).alias("percentiles")
        for name, found in values.groupBy("event_type").agg(quantiles).collect():
            if found:
                valued[name]["percentiles"] = [valued[name]["low"], *found[1:-1], valued[name]["high"]]
    for t in types:
        t.pop("low"), t.pop("high")


def type_bits(types: list[dict]) -> Column:
    """Return a number with one bit for the type of an event."""
    other = F.lit(1 << len(types))
    pairs = [F.lit(x) for n, t in enumerate(types) if t["type"] != OTHER for x in (t["type"], 1 << n)]
    return F.coalesce(F.create_map(*pairs)[F.col("event_type")], other) if pairs else other


def type_sets(found: DataFrame, types: list[dict], name: str) -> list[dict]:
    """Return how many rows have each set of types, most frequent first, at most MAX_SETS sets."""
    sets = found.groupBy("bits").agg(F.count("*").alias("n")).orderBy(F.desc("n"), "bits").limit(MAX_SETS).collect()
    names = [t["type"] for t in types]
    return [{"types": sorted(bit_names(s["bits"], names)), name: s["n"]} for s in sets]


def bit_names(bits: int, names: list[str]) -> list[str]:
    return [t for n, t in enumerate([*names, OTHER]) if bits >> n & 1]


def repeated_content(sample: DataFrame) -> int:
    """Return how many events of the sample have the user, item, type, time and value of another event."""
    copies = sample.groupBy("hash").agg((F.count("*") - 1).alias("more"))
    return copies.agg(F.coalesce(F.sum("more"), F.lit(0))).first()[0]
