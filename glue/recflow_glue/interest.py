"""From events to what a user is interested in. The same rules as recsys.Interest in Go.

The weight of an item is the sum over its events of weight(type, value) ·
2^(−(t_ref − occurred_at) / half-life), in (occurred_at, event_id) order, with the
floor applied after summing; t_ref is the latest occurred_at of the user's
counting events. An impression says what was shown, not what was done: it is
neither interest nor makes an item seen.
"""

from itertools import chain

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recflow_glue.arguments import Interest

IMPRESSION = "impression"
MOST_ITEMS = 262_144  # that a user may like, and that a user may have seen (docs/data.md, Limits)


def event_weight(interest: Interest) -> Column:
    """What one event adds before age. Spark orders NaN above every number, hence isnan."""
    pairs = [F.lit(x) for x in chain.from_iterable((t, float(w)) for t, w in sorted(interest.weights.items()))]
    declared = F.coalesce(F.create_map(*pairs)[F.col("event_type")], F.lit(0.0)) if pairs else F.lit(0.0)
    value = F.col("value")
    unliked = value.isNull() | F.isnan(value) | (value < interest.rating_threshold)
    return F.when((F.col("event_type") == "rating") & unliked, 0.0).otherwise(declared)


def done(events: DataFrame) -> DataFrame:
    """What users did: everything but impressions."""
    return events.where(F.col("event_type") != IMPRESSION)


def histories(events: DataFrame, interest: Interest) -> DataFrame:
    """One row per user that did something: items, weights (float32), reference_time and seen items.

    Everything after the one exchange by user_id happens inside its partitions, on rows
    that are sorted once. Aggregates over sorted rows add in their order (session.py sees
    to that), so that reruns agree to the bit.
    """
    columns = ["user_id", "item_id", "occurred_at", "event_id"]
    weighed = (
        done(events)
        .select(*columns, event_weight(interest).alias("weight"))
        .repartition("user_id")
        .sortWithinPartitions(*columns)
    )
    weight = F.col("weight")
    whole = (
        Window.partitionBy(columns[0])
        .orderBy(*columns[1:])
        .rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    )
    aged = weighed.withColumn("reference_time", F.max(F.when(weight > 0, F.col("occurred_at"))).over(whole))
    if interest.half_life_seconds > 0:
        # An event that weighs nothing may be younger than the reference, by so much
        # that its factor overflows; 0·∞ is NaN, which Spark orders above every number.
        aged = aged.withColumn("weight", F.when(weight > 0, weight * decay(interest.half_life_seconds)).otherwise(0.0))
    pairs = aged.groupBy("user_id", "item_id").agg(
        F.sum("weight").alias("weight"), F.max("reference_time").alias("reference_time")
    )
    return gather(pairs, interest.floor)


def decay(half_life_seconds: float) -> Column:
    """2^(−age / half-life). A user without a counting event has no reference and no weight to age."""
    age = F.unix_micros("reference_time") - F.unix_micros("occurred_at")
    return F.coalesce(F.pow(F.lit(2.0), -age / F.lit(half_life_seconds * 1e6)), F.lit(1.0))


def gather(pairs: DataFrame, floor: float) -> DataFrame:
    """Collect a user's pairs; those under the floor are only seen."""
    weight = F.col("weight")
    counts = (weight.cast("float") > 0) & (weight >= floor)
    liked = F.when(counts, F.struct("item_id", weight.cast("float").alias("weight")))
    seen = F.when(~counts, F.col("item_id"))
    users = pairs.groupBy("user_id").agg(
        F.sort_array(F.collect_list(liked)).alias("liked"),
        F.sort_array(F.collect_list(seen)).alias("seen"),
        F.max("reference_time").alias("reference_time"),
    )
    return users.select(
        "user_id",
        F.col("liked.item_id").alias("history_items"),
        F.col("liked.weight").alias("history_weights"),
        "reference_time",
        F.slice("seen", 1, MOST_ITEMS).alias("seen_items"),
    )
