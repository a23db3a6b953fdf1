"""The hold-out: who belongs to it, and which of their events are the answers."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recflow_glue.arguments import Interest
from recflow_glue.events import id_bits
from recflow_glue.interest import done, event_weight

SHARE = 10  # one user in ten,
MOST = 10_000  # but about this many at most
ANSWERS = 5  # one counting event in five is an answer


def bound(users: int) -> str:
    """The bound, as 16 hex digits, for a training with this many users."""
    if users <= SHARE * MOST:
        return f"{2**64 // SHARE:016x}"
    return f"{2**64 * MOST // users:016x}"


def contains(bound_: str, user_id: str = "user_id") -> Column:
    """Whether the user is held out: 16 hex digits order as the integers do."""
    return id_bits("holdout:", user_id) < bound_


def split(events: DataFrame, interest: Interest) -> DataFrame:
    """The hold-out users' events with an `answer` flag; users that cannot be scored are left out.

    A user's counting events are ordered by (occurred_at, event_id). The last
    fifth, at least one, come after the cut. Before it everything is history;
    after it a counting event is an answer unless its item is in the history,
    once per item, and the rest is dropped. Impressions are no history.
    """
    user = Window.partitionBy("user_id")
    so_far = user.orderBy("occurred_at", "event_id").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    pair = Window.partitionBy("user_id", "item_id")
    turn = pair.orderBy("occurred_at", "event_id").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    kept = F.col("counting") - F.greatest(F.lit(1), F.floor(F.col("counting") / ANSWERS))
    return (
        done(events)
        .select("user_id", "event_id", "item_id", "event_type", "value", "occurred_at")
        .withColumn("counts", (event_weight(interest) > 0).cast("int"))
        .repartition("user_id")
        .withColumn("counting", F.sum("counts").over(user))
        .withColumn("rank", F.sum("counts").over(so_far))
        .withColumn("history", F.col("rank") <= kept)
        .withColumn("known", F.max("history").over(pair))
        .where(F.col("history") | ((F.col("counts") == 1) & ~F.col("known")))
        .withColumn("turn", F.row_number().over(turn))
        .where(F.col("history") | (F.col("turn") == 1))
        .withColumn("answer", ~F.col("history"))
        .withColumn("scored", F.max("answer").over(user) & F.max((F.col("counts") == 1) & ~F.col("answer")).over(user))
        .where("scored")
        .select("user_id", "event_id", "item_id", "event_type", "value", "occurred_at", "answer")
    )
