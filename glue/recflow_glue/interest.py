"""Computes users' histories from events. The rules are those of recsys.Interest in Go.

The weight of an item is the sum over its events of weight(type, value) ·
2^(−(t_ref − occurred_at) / half-life), in (occurred_at, event_id) order; then a sum
below 0 is 0, and the floor applies. t_ref is the latest occurred_at of the user's
events with a positive weight: a return takes back interest in its item and changes no
other item. An impression records what was shown to a user. It has no weight and does
not make an item seen. A history has at most MAX_ITEMS items: the heaviest, and of
equal weight those with the smaller id. Seen items have weight 0.
"""

from itertools import chain

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recflow_glue.arguments import FOLDED, LOG, MAX_INTEREST, UNFOLDED, Interest

IMPRESSION, RATING = "impression", "rating"
MAX_ITEMS = 5_000  # in a history: recsys.MaxHistory
MIN_WEIGHT = 1e-9  # smallest floor: what a return leaves of an equal purchase is a rounding error


def folded_type(name: str = "event_type") -> Column:
    """Return arguments.fold_type of a column."""
    return F.lower(F.translate(F.col(name), UNFOLDED, FOLDED))


def event_weight(interest: Interest) -> Column:
    """Return the weight of one event before decay. Without a value, `finite < 0` is null and not true."""
    kind, finite = folded_type(), finite_value()
    declared = F.coalesce(lookup(interest.folded_weights(), kind), F.lit(0.0))
    weight = F.abs(declared) * counted_value(interest, kind, finite)
    negative = (declared < 0) | (finite < 0)
    unliked = finite.isNull() | (finite < interest.rating_threshold)
    return (
        F.when(kind == IMPRESSION, 0.0)
        .when(kind == RATING, F.when(unliked, 0.0).otherwise(declared))
        .when(negative, -weight)
        .otherwise(weight)
    )


def finite_value() -> Column:
    """Return the value of an event, or null if it has none or it is infinite or NaN, which Spark sorts above
    every number."""
    return F.when(F.abs("value") < float("inf"), F.col("value"))


def counted_value(interest: Interest, kind: Column, value: Column) -> Column:
    """Return by how much the value of an event multiplies the weight of its type, without the sign."""
    uses = interest.folded_uses()
    if not uses:
        return F.lit(1.0)
    use = lookup(uses, kind)
    size = F.least(F.abs(value), F.lit(float(MAX_INTEREST)))
    counted = F.when(use == LOG, F.log2(1 + size)).when(use.isNotNull(), size)
    return F.coalesce(F.when(value.isNotNull(), counted), F.lit(1.0))


def lookup(values: dict, key: Column) -> Column:
    """Return the value of a key, or null."""
    pairs = [F.lit(x) for x in chain.from_iterable(values.items())]
    return F.create_map(*pairs)[key] if pairs else F.lit(None)


def without_impressions(events: DataFrame) -> DataFrame:
    """Return the events that are not impressions."""
    return events.where(folded_type() != IMPRESSION)


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
        # An event without a positive weight may be so much later than the reference time that
        # its factor is infinite. 0·∞ is NaN, which Spark sorts above every number.
        aged = aged.withColumn("weight", F.when(weight != 0, weight * decay(interest.half_life_seconds)).otherwise(0.0))
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
    counts = weight >= max(floor, MIN_WEIGHT)
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
