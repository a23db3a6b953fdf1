"""Computes users' histories from events. The rules are those of recsys.Interest in Go.

The weight of an item is the sum over its events of weight(type, value) ·
2^(−(t_ref − occurred_at) / half-life), in (occurred_at, event_id) order, with the
floor applied after summing; t_ref is the latest occurred_at of the user's
counting events. An impression records what was shown to a user. It has no weight and
does not make an item seen. A history has at most MAX_ITEMS items: the heaviest, and of
equal weight those with the smaller id. Seen items have weight 0.
"""

from itertools import chain

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recflow_glue.arguments import Interest

IMPRESSION = "impression"
MAX_ITEMS = 5_000  # in a history: recsys.MaxHistory


def event_weight(interest: Interest) -> Column:
    """Return the weight of one event before decay. isnan is needed because Spark sorts NaN above every number."""
    pairs = [F.lit(x) for x in chain.from_iterable((t, float(w)) for t, w in sorted(interest.weights.items()))]
    declared = F.coalesce(F.create_map(*pairs)[F.col("event_type")], F.lit(0.0)) if pairs else F.lit(0.0)
    value = F.col("value")
    unliked = value.isNull() | F.isnan(value) | (value < interest.rating_threshold)
    return F.when((F.col("event_type") == "rating") & unliked, 0.0).otherwise(declared)


def without_impressions(events: DataFrame) -> DataFrame:
    """Return the events that are not impressions."""
    return events.where(F.col("event_type") != IMPRESSION)


def histories(events: DataFrame, interest: Interest) -> DataFrame:
    """Return one row per user with an event other than impressions: items, weights (float32),
    reference_time and seen items.

    Rows are exchanged once, by user_id, and sorted once. All further steps run within these
    partitions. session.py configures aggregates to add rows in sorted order, so that reruns
    agree to the bit.
    """
    columns = ["user_id", "item_id", "occurred_at", "event_id"]
    weighed = (
        without_impressions(events)
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
        # An event without weight may be so much later than the reference time that its
        # factor overflows. 0·∞ is NaN, which Spark sorts above every number.
        aged = aged.withColumn("weight", F.when(weight > 0, weight * decay(interest.half_life_seconds)).otherwise(0.0))
    pairs = aged.groupBy("user_id", "item_id").agg(
        F.sum("weight").alias("weight"), F.max("reference_time").alias("reference_time")
    )
    return collect_histories(pairs, interest.floor)


def decay(half_life_seconds: float) -> Column:
    """Return 2^(−age / half-life), or 1 for a user without a counting event, who has no reference time."""
    age = F.unix_micros("reference_time") - F.unix_micros("occurred_at")
    return F.coalesce(F.pow(F.lit(2.0), -age / F.lit(half_life_seconds * 1e6)), F.lit(1.0))


def collect_histories(pairs: DataFrame, floor: float) -> DataFrame:
    """Collect each user's heaviest items. Those with a weight below the floor are only seen."""
    weight = F.col("weight")
    counts = (weight.cast("float") > 0) & (weight >= floor)
    liked = F.when(counts, F.struct("item_id", weight.cast("float").alias("weight")))
    seen = F.when(~counts, F.col("item_id"))
    users = pairs.groupBy("user_id").agg(
        F.sort_array(F.collect_list(liked)).alias("liked"),
        F.sort_array(F.collect_list(seen)).alias("seen"),
        F.max("reference_time").alias("reference_time"),
    )
    return users.withColumn("liked", heaviest(F.col("liked"))).select(
        "user_id",
        F.col("liked.item_id").alias("history_items"),
        F.col("liked.weight").alias("history_weights"),
        "reference_time",
        F.slice("seen", F.lit(1), MAX_ITEMS - F.size("liked")).alias("seen_items"),
    )


def heaviest(liked: Column) -> Column:
    """Return the MAX_ITEMS heaviest of these items and weights, which are sorted by item, in the same order."""
    negative = F.transform(liked, lambda x: F.struct((-x["weight"]).alias("weight"), x["item_id"].alias("item_id")))
    kept = F.slice(F.sort_array(negative), 1, MAX_ITEMS)
    by_item = F.transform(kept, lambda x: F.struct(x["item_id"].alias("item_id"), (-x["weight"]).alias("weight")))
    return F.when(F.size(liked) <= MAX_ITEMS, liked).otherwise(F.sort_array(by_item))
