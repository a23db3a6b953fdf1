"""One training run from raw events to the manifest: the table of contents."""

import json
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from botocore.exceptions import ClientError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recflow_glue import checks, evaluate, events, holdout, interest, items, manifest, output, session, train
from recflow_glue.arguments import Config
from recflow_glue.foldin import FoldIn, gram
from recflow_glue.progress import Progress
from recflow_glue.storage import Bucket, Scratch, write_scratch

TRAINER = f"spark-mllib-als-implicit/{pyspark.__version__}"


@dataclass
class Run:
    """The state of one attempt at a run."""

    spark: SparkSession
    config: Config
    bucket: Bucket
    scratch: Scratch
    progress: Progress
    attempt: str
    read_at: datetime
    checks: list


@dataclass(frozen=True)
class Input:
    """Covered events and what is known about them."""

    events: DataFrame
    users: DataFrame  # histories with `user` and `holdout`
    metadata: DataFrame
    summary: dict  # the manifest's `input`
    bound: str


def run(config: Config) -> str:
    """Train, unless the run already has its manifest. Returns the manifest's key."""
    bucket = Bucket(config.bucket)
    key = config.prefix + "manifest.json"
    if bucket.exists(key):
        print(f"run {config.run_id} already has its manifest; nothing to do", flush=True)
        return key
    spark = session.open_session(f"recflow {config.run_id}")
    attempt = uuid.uuid4().hex[:12]
    scratch = Scratch(bucket, f"{config.prefix}_scratch/{attempt}/", session.is_local())
    progress = Progress(spark.sparkContext, bucket, config.prefix + "_progress.json")
    r = Run(spark, config, bucket, scratch, progress, attempt, datetime.now(UTC), [])
    try:
        body = attempt_run(r)
        if not bucket.put_if_absent(key, body):
            print(
                f"run {config.run_id} was finished by another attempt; its result stands", file=sys.stderr, flush=True
            )
            discard(r)
    except BaseException:
        discard(r)
        raise
    finally:
        progress.close()
        scratch.remove()
    return key


def discard(r: Run) -> None:
    """Remove this attempt's files. Best effort: nothing refers to them."""
    for kind in ("items", "users", "holdout"):
        try:
            r.bucket.delete_prefix(f"{r.config.prefix}{kind}/attempt={r.attempt}/")
        except ClientError as e:
            print(f"leave the files of attempt {r.attempt}: {e}", file=sys.stderr, flush=True)


def attempt_run(r: Run) -> bytes:
    """Everything but the manifest's put; returns the manifest."""
    found = read_input(r)
    with r.progress.stage("prepare"):
        catalogue = train.numbered(train.item_counts(found.users), r.scratch, "items_numbered", "item_id", "item")
        matrix = train.matrix(found.users, catalogue, r.scratch)
        split = train.keep(
            holdout.split(found.events.where(holdout.contains(found.bound)), r.config.interest), r.scratch, "split"
        )
    with r.progress.stage("train", r.config.iterations):
        model = train.fit(matrix.pairs, r.config)
    with r.progress.stage("write"):
        item_files, known = write_items(r, matrix, model.itemFactors, found.metadata)
    with r.progress.stage("evaluate"):
        fold = FoldIn(gram(known.vectors), r.config.alpha, r.config.regularization)
        scored = evaluate.score_all(holdout_users(matrix.users, split, r.config.interest), known, fold)
        metrics = evaluate.summarise(scored, len(known.ids), r.config.seed)
    with r.progress.stage("write"):
        user_files = write_users(r, matrix, model.userFactors, scored)
        holdout_files = write_holdout(r, split)
    return manifest.build(
        r.config,
        created_at=datetime.now(UTC),
        trainer=TRAINER,
        gram=fold.gram,
        input_=found.summary,
        holdout_bound=found.bound,
        files=item_files + user_files + holdout_files,
        checks=r.checks,
        metrics=metrics,
    )


def read_input(r: Run) -> Input:
    """Read, check and weigh the events. Raises DataInvalid before anything is trained."""
    with r.progress.stage("read"):
        raw = events.read(r.spark, r.bucket, r.scratch, r.config)
        metadata, broken = items.read(r.spark, r.bucket, r.scratch)
        raw.broken.extend(broken)
        rows, found = checks.rows(raw, r.read_at)
    with r.progress.stage("validate"):
        r.checks += found
        checks.stop_on_failure(r.checks)
        single, repeated = settle(r, raw.rows.drop("_corrupt"))
        r.checks += checks.copies(repeated, rows)
        covered = single.where(events.covered(r.config))
        users = train.numbered(
            interest.histories(covered, r.config.interest), r.scratch, "users_numbered", "user_id", "user"
        )
        summary = summarise_input(r, raw, rows, covered, users, metadata)
        checks.stop_on_failure(r.checks)
    bound = holdout.bound(summary["users"])
    return Input(covered, users.withColumn("holdout", holdout.contains(bound)), metadata, summary, bound)


def settle(r: Run, rows: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """Each event id once. The exchange is only paid when some id repeats."""
    if events.repeated_ids(rows) == 0:
        return rows, None
    kept = train.keep(events.once(rows), r.scratch, "once")
    return kept.drop("copies", "conflict"), kept


def summarise_input(
    r: Run, raw: events.Raw, rows: int, covered: DataFrame, users: DataFrame, metadata: DataFrame
) -> dict:
    """The manifest's `input`; adds the checks that need the whole."""
    by_type = (
        covered.groupBy("event_type", "streamed")
        .agg(F.count("*").alias("n"), events.id_hash("event_id").alias("hash"))
        .collect()
    )
    total = sum(t["n"] for t in by_type)
    types: dict[str, int] = {}
    hash_ = 0
    for t in by_type:
        types[t["event_type"]] = types.get(t["event_type"], 0) + t["n"]
        hash_ ^= t["hash"] if t["streamed"] else 0
    shares = {t: n / total for t, n in sorted(types.items())}
    per_item = train.keep(covered.groupBy("item_id").agg(F.count("*").alias("events")), r.scratch, "per_item")
    n_users, counting = users.agg(F.count("*"), F.count_if(F.size("history_items") > 0)).first()
    liked = users.select(F.explode("history_items").alias("i")).agg(F.countDistinct("i")).first()[0]
    r.checks.append(checks.unknown_items(per_item, metadata, bool(metadata.head(1))))
    r.checks += checks.minimums(r.config.minimum, {"events": total, "users": counting, "items": liked})
    r.checks.append(
        checks.event_type_shares(shares, checks.previous_shares(r.config, lambda k: read_json(r.bucket, k)))
    )
    return {
        "files": raw.files,
        "bytes": raw.bytes,
        "rows": rows,
        "events": total,
        "users": n_users,
        "items": per_item.count(),
        "streamed": {"count": sum(t["n"] for t in by_type if t["streamed"]), "hash": events.unsigned_hex(hash_)},
        "event_type_shares": shares,
    }


def read_json(bucket: Bucket, key: str) -> dict | None:
    """A JSON object of the bucket; None when it is gone: comparing is optional."""
    try:
        return json.loads(bucket.get(key))
    except (ClientError, ValueError):
        return None


def write_items(
    r: Run, matrix: train.Matrix, factors: DataFrame, metadata: DataFrame
) -> tuple[list, evaluate.Catalogue]:
    """Write the items and read the vectors back: fold-in uses the very bytes that ship."""
    counts = matrix.items.select("item_id", "trained").collect()
    rows = output.item_rows(matrix.items, factors, metadata)
    n = output.files_for(len(counts), 4 * r.config.rank + 200)
    files = output.expect_rows(
        output.write(rows, r.bucket, r.config.prefix, r.attempt, "items", "item_id", n), len(counts)
    )
    table = r.bucket.read_parquet([f.key for f in files], ["item_id", "embedding"])
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), r.config.rank)
    ids = table["item_id"].to_pylist()
    trained = {c["item_id"]: c["trained"] for c in counts}
    users = matrix.users.where(~F.col("holdout") & (F.size("history_items") > 0)).count()
    return files, evaluate.Catalogue(ids, vectors, np.array([trained[i] for i in ids]), users)


def holdout_users(users: DataFrame, split: DataFrame, interest_) -> DataFrame:
    """The hold-out users with everything they did, their history side and their answers."""
    past = interest.histories(split.where(~F.col("answer")), interest_).select(
        "user_id",
        F.col("history_items").alias("past_items"),
        F.col("history_weights").alias("past_weights"),
        F.col("met_items").alias("past_met"),
    )
    answers = split.where("answer").groupBy("user_id").agg(F.collect_set("item_id").alias("answers"))
    return (
        users.where("holdout")
        .select("user", "user_id", "history_items", "history_weights")
        .join(past.join(answers, "user_id"), "user_id", "left")
        .drop("user_id")
    )


def write_users(r: Run, matrix: train.Matrix, factors: DataFrame, scored: list[evaluate.Scored]) -> list:
    trained = factors.select(F.col("id").alias("user"), F.col("features").alias("embedding"))
    vectors = trained.unionByName(folded_vectors(r, scored))
    n, likes = matrix.users.agg(F.count("*"), F.sum(F.size("history_items") + F.size("met_items"))).first()
    row_bytes = 4 * r.config.rank + 50 + 12 * (likes or 0) // max(1, n)
    rows = output.user_rows(matrix.users, vectors)
    files = output.write(rows, r.bucket, r.config.prefix, r.attempt, "users", "user_id", output.files_for(n, row_bytes))
    return output.expect_rows(files, n)


def folded_vectors(r: Run, scored: list[evaluate.Scored]) -> DataFrame:
    """The hold-out users' vectors as a DataFrame, through a file rather than row by row."""
    have = [s for s in scored if s.vector]
    flat = np.frombuffer(b"".join(s.vector for s in have), dtype=np.float32)
    offsets = np.arange(0, len(flat) + 1, r.config.rank, dtype=np.int32)
    table = pa.table(
        {
            "user": pa.array([s.user for s in have], pa.int32()),
            "embedding": pa.ListArray.from_arrays(offsets, pa.array(flat, pa.float32())),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    uri = write_scratch(r.scratch.location(), "folded/part-0.parquet", sink.getvalue().to_pybytes())
    return r.spark.read.schema("user int, embedding array<float>").parquet(uri)


def write_holdout(r: Run, split: DataFrame) -> list:
    n = split.count()
    if n == 0:
        return []
    files = output.write(
        output.holdout_rows(split), r.bucket, r.config.prefix, r.attempt, "holdout", "user_id", output.files_for(n, 60)
    )
    return output.expect_rows(files, n)
