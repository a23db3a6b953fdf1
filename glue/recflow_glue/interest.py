"""From events to what a user is interested in. The same rules as recsys.Interest in Go.

The weight of an item is the sum over its events of weight(type, value) ·
2^(−(t_ref − occurred_at) / half-life), in (occurred_at, event_id) order, with the
floor applied after summing; t_ref is the latest occurred_at of the user's
counting events. An impression says what was shown, not what was done: it is
neither interest nor makes an item met.
"""

from itertools import chain

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recflow_glue.arguments import Interest

IMPRESSION = "impression"
MOST_ITEMS = 262_144  # that a user may like, and that a user may have met (docs/data.md, Limits)


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
    """One row per user that did something: items, weights (float32), reference_time and met items.

    Everything after the one exchange by user_id happens inside its partitions.
    """
    weighed = (
        done(events)
        .select("user_id", "item_id", "event_id", "occurred_at", event_weight(interest).alias("weight"))
        .repartition("user_id")
    )
    counting = F.when(F.col("weight") > 0, F.col("occurred_at"))
    if interest.half_life_seconds > 0:
        weighed = weighed.withColumn("reference_time", F.max(counting).over(Window.partitionBy("user_id")))
        # An event that weighs nothing may be younger than the reference, by so much
        # that its factor overflows; 0·∞ is NaN, which Spark orders above every number.
        aged = F.col("weight") * decay(interest.half_life_seconds)
        weighed = weighed.withColumn("weight", F.when(F.col("weight") > 0, aged).otherwise(0.0))
    else:
        weighed = weighed.withColumn("reference_time", counting)
    pairs = weighed.groupBy("user_id", "item_id").agg(
        total(interest).alias("weight"), F.max("reference_time").alias("reference_time")
    )
    return gather(pairs, interest.floor)


def decay(half_life_seconds: float) -> Column:
    """2^(−age / half-life). A user without a counting event has no reference and no weight to age."""
    age = F.unix_micros("reference_time") - F.unix_micros("occurred_at")
    return F.coalesce(F.pow(F.lit(2.0), -age / F.lit(half_life_seconds * 1e6)), F.lit(1.0))


def total(interest: Interest) -> Column:
    """The sum of a pair's weights. Whole numbers add exactly in any order; anything
    else is added in (occurred_at, event_id) order, so that reruns agree to the bit."""
    if interest.half_life_seconds == 0 and all(float(w).is_integer() for w in interest.weights.values()):
        return F.sum("weight")
    ordered = F.sort_array(F.collect_list(F.struct("occurred_at", "event_id", "weight")))
    return F.aggregate(ordered, F.lit(0.0), lambda sum_, e: sum_ + e["weight"])


def gather(pairs: DataFrame, floor: float) -> DataFrame:
    """Collect a user's pairs; those under the floor are only met."""
    weight = F.col("weight")
    counts = (weight.cast("float") > 0) & (weight >= floor)
    row = F.struct("item_id", weight.cast("float").alias("weight"), counts.alias("counts"))
    users = pairs.groupBy("user_id").agg(
        F.sort_array(F.collect_list(row)).alias("rows"), F.max("reference_time").alias("reference_time")
    )
    liked = F.filter("rows", lambda r: r["counts"])
    met = F.slice(F.filter("rows", lambda r: ~r["counts"]), 1, MOST_ITEMS)
    return users.select(
        "user_id",
        F.transform(liked, lambda r: r["item_id"]).alias("history_items"),
        F.transform(liked, lambda r: r["weight"]).alias("history_weights"),
        "reference_time",
        F.transform(met, lambda r: r["item_id"]).alias("met_items"),
    )
