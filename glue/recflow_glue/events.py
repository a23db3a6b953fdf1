"""Reads the events that a version covers and removes repeated event ids."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import xor

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recflow_glue.arguments import Baseline, Config, rfc3339
from recflow_glue.matrix import materialize
from recflow_glue.staging import Staged, bad_lines, list_days, pack, worth_packing
from recflow_glue.storage import Bucket, Object, Scratch

EVENT = T.StructType(
    [
        T.StructField("event_id", T.StringType()),
        T.StructField("user_id", T.StringType()),
        T.StructField("item_id", T.StringType()),
        T.StructField("event_type", T.StringType()),
        T.StructField("value", T.DoubleType()),
        T.StructField("occurred_at", T.TimestampType()),
    ]
)
LINE = "event_id string, user_id string, item_id string, event_type string, value double, occurred_at string, stored_at string, _corrupt string"
COLUMNS = [*EVENT.names, "stored_at", "streamed"]


@dataclass(frozen=True)
class Raw:
    """The events as read, before any check."""

    rows: DataFrame  # COLUMNS, and _corrupt: the text of a line that is not JSON
    files: int
    bytes: int
    broken: list[tuple[str, str]]  # objects that could not be read, and why
    distinct: bool = False  # True if no event id repeats; False also if that is unknown
    bad_lines: Callable[[int], list[tuple[str, str]]] = lambda limit: []  # objects with a line that is not an event
    streams: bool = True  # False if no row is streamed


def read(spark: SparkSession, bucket: Bucket, scratch: Scratch, config: Config, reads: int = 0) -> Raw:
    """Read every event that may be covered: the imported events of the days in the range,
    and all streamed events, because a streamed copy takes precedence over an imported one.
    `reads` is the number of earlier reads of the run."""
    imported = list_days(bucket, "raw/interactions/", ".parquet", config.start, config.to)
    streamed = list_days(bucket, "raw/events/", ".gz", None, None)
    here = locate(spark, bucket, scratch, "interactions", imported)
    lines = locate(spark, bucket, scratch, "lines", streamed)
    parts = []
    if here.paths:
        parts.append(spark.read.schema(EVENT).parquet(*here.paths).transform(as_imported))
    if lines.paths:
        read_lines = spark.read.schema(LINE).option("columnNameOfCorruptRecord", "_corrupt")
        # Written to the scratch space, because parsing JSON costs more than reading the result.
        parts.append(materialize(read_lines.json(lines.paths).transform(as_streamed), scratch, f"streamed_{reads}"))
    if not parts:
        parts.append(spark.createDataFrame([], EVENT).transform(as_imported))
    objects = imported + streamed
    rows = parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])
    distinct = here.distinct and not lines.paths
    return Raw(
        rows,
        len(objects),
        sum(o.size for o in objects),
        here.broken + lines.broken,
        distinct,
        lambda limit: bad_lines(bucket, streamed, limit),
        bool(lines.paths),
    )


def locate(spark: SparkSession, bucket: Bucket, scratch: Scratch, kind: str, objects: list[Object]) -> Staged:
    """Return the files that Spark reads: the packed objects if they are small, else the objects themselves."""
    if worth_packing(objects):
        return pack(spark, bucket, scratch, kind, objects)
    return Staged([bucket.uri(o.key) for o in objects], [])


def as_imported(events: DataFrame) -> DataFrame:
    return events.select(
        *EVENT.names,
        F.lit(None).cast("timestamp").alias("stored_at"),
        F.lit(False).alias("streamed"),
        F.lit(None).cast("string").alias("_corrupt"),
    )


def as_streamed(lines: DataFrame) -> DataFrame:
    return lines.select(
        "event_id",
        "user_id",
        "item_id",
        "event_type",
        "value",
        F.col("occurred_at").cast("timestamp").alias("occurred_at"),
        F.col("stored_at").cast("timestamp").alias("stored_at"),
        F.lit(True).alias("streamed"),
        "_corrupt",
    )


def repeated_ids(rows: DataFrame) -> DataFrame:
    """Return the hashes `h` of the event ids that occur more than once. A hash collision
    may add an id that does not repeat, which costs time but changes no result."""
    return rows.groupBy(F.xxhash64("event_id").alias("h")).count().where("count > 1").select("h")


def deduplicate_repeated(rows: DataFrame, repeated: DataFrame, scratch: Scratch) -> tuple[DataFrame, DataFrame]:
    """Return one row per event_id, and the result of `deduplicate` for the ids that repeat.
    Only rows of repeated ids are exchanged. repeated (h) must fit in the memory of a task."""
    hashed = rows.withColumn("h", F.xxhash64("event_id"))
    repeats = hashed.join(F.broadcast(repeated), "h", "left_semi").drop("h")
    deduplicated = materialize(deduplicate(repeats), scratch, "deduplicated")
    single = hashed.join(F.broadcast(repeated), "h", "left_anti").drop("h")
    return single.unionByName(deduplicated.drop("copies", "conflict")), deduplicated


def deduplicate(rows: DataFrame) -> DataFrame:
    """Return one row per event_id, with its number of `copies`, and `conflict`: whether the
    copies of the same kind (streamed or imported) differ. A streamed copy takes precedence
    over an imported one, from which it may differ because its time was clamped. Then the
    copy that was stored first wins, then the one that occurred first, then the smallest.
    The order is total, so that reruns agree."""
    by_id = Window.partitionBy("event_id")
    content = F.struct("user_id", "item_id", "event_type", "value", "occurred_at")
    order = by_id.orderBy(
        F.col("streamed").desc(), F.col("stored_at").asc(), "occurred_at", "user_id", "item_id", "event_type", "value"
    ).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    whole = by_id.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    kind = Window.partitionBy("event_id", "streamed").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    digest = F.xxhash64(content)
    return (
        rows.withColumn("position", F.row_number().over(order))
        .withColumn("copies", F.count("*").over(whole))
        .withColumn("conflict", F.min(digest).over(kind) != F.max(digest).over(kind))
        .where("position = 1")
        .drop("position")
    )


def covered(config: Config) -> Column:
    """The coverage predicate of recsys.Coverage in Go: the event occurred before `to`, and was stored,
    or occurred if it is imported, before `stored_to`."""
    known = F.when(F.col("streamed"), F.col("stored_at")).otherwise(F.col("occurred_at"))
    return (F.col("occurred_at") < micros(config.to)) & (known < micros(config.stored_to))


@dataclass(frozen=True)
class Streamed:
    """The covered streamed events by the UTC day of `stored_at`: their number and id_hash."""

    compared: dict[str, tuple[int, int]]  # not covered by the baseline
    earlier: dict[str, tuple[int, int]]  # covered by the baseline

    @property
    def count(self) -> int:
        """The number of events that are compared with those of the database."""
        return sum(n for n, _ in self.compared.values())

    def fields(self, baseline: Baseline) -> dict:
        """Return the manifest's `input.streamed`."""
        bits = reduce(xor, (h for _, h in self.compared.values()), 0)
        days = {}
        for day in sorted(self.compared.keys() | self.earlier.keys()):
            (n, h), (m, g) = self.compared.get(day, (0, 0)), self.earlier.get(day, (0, 0))
            days[day] = (n + m, h ^ g)
        return {
            "count": self.count,
            "hash": unsigned_hex(bits),
            "baseline": {
                "version": baseline.version,
                "to": rfc3339(baseline.to),
                "stored_to": rfc3339(baseline.stored_to),
            },
            "days": day_sets(days),
        }


def day_sets(days: dict[str, tuple[int, int]]) -> list[dict]:
    return [{"day": day, "count": n, "hash": unsigned_hex(h)} for day, (n, h) in sorted(days.items())]


def streamed(rows: DataFrame, config: Config) -> Streamed:
    """Return the covered streamed events of `rows` (event_id, occurred_at, stored_at, streamed).

    A repeated delivery has the `stored_at` of the first. An event that was dropped and then
    sent again has another `stored_at`, and counts again, as it does in the database.
    """
    b = config.baseline
    earlier = F.lit(False)
    if b.to is not None and b.stored_to is not None:
        earlier = (F.col("occurred_at") < micros(b.to)) & (F.col("stored_at") < micros(b.stored_to))
    stored = rows.where(F.col("streamed") & covered(config) & F.col("event_id").isNotNull())
    found = (
        stored.select(
            "event_id", "stored_at", F.date_format("stored_at", "yyyy-MM-dd").alias("day"), earlier.alias("earlier")
        )
        .distinct()
        .groupBy("day", "earlier")
        .agg(F.count("*").alias("n"), id_hash("event_id").alias("bits"))
        .collect()
    )
    sets = {e: {r["day"]: (r["n"], r["bits"]) for r in found if r["earlier"] == e} for e in (False, True)}
    return Streamed(compared=sets[False], earlier=sets[True])


def in_range(config: Config) -> Column:
    """True if the event is not before the lower bound of the training. Coverage does not depend on that bound."""
    return F.lit(True) if config.start is None else F.col("occurred_at") >= micros(config.start)


def micros(t: datetime) -> Column:
    """Return a timestamp literal that does not depend on a time zone."""
    return F.timestamp_micros(F.lit(to_micros(t)))


def to_micros(t: datetime) -> int:
    return int(t.timestamp()) * 1_000_000 + t.microsecond


def id_bits(prefix: str, column: str | Column) -> Column:
    """Return the first 8 bytes of SHA-256(prefix + id) as 16 hex digits, which sort like the
    unsigned integers."""
    return F.substring(
        F.sha2(F.concat(F.lit(prefix), F.col(column) if isinstance(column, str) else column), 256), 1, 16
    )


def id_hash(column: str | Column) -> Column:
    """Return the exclusive-or of the first 8 bytes of SHA-256(id) over a group, as a signed integer."""
    return F.bit_xor(F.conv(id_bits("", column), 16, -10).cast("bigint"))


def unsigned_hex(x: int | None) -> str:
    return f"{(x or 0) & 0xFFFF_FFFF_FFFF_FFFF:016x}"
