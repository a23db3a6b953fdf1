"""The three kinds of file of a run, and the vectors read back from them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import evaluate, holdout, output
from recflow_glue.arguments import Interest
from recflow_glue.attempt import Attempt
from recflow_glue.output import File
from recflow_glue.prepare import Input
from recflow_glue.storage import write_scratch
from recflow_glue.train import keep


@dataclass(frozen=True)
class HoldOut:
    """What scoring needs besides the vectors, and the files that let Go score again."""

    users: list[dict]  # user, both sides' histories and the answers: the rows of evaluate.score
    files: list[File]
    trained: dict[str, int]  # of each item with a vector: how many trained users like it


def hold_out(r: Attempt, found: Input) -> HoldOut:
    """All of a run that depends on no vector, to be done while they are trained."""
    users = found.users.where("holdout").select("user", "user_id", "history_items", "history_weights")
    ids = F.broadcast(users.select("user_id"))
    keep(found.events.join(ids, "user_id", "left_semi").select(holdout.COLUMNS), r.scratch, "held_out")
    split = holdout.split(r.scratch.read("held_out"), r.config.interest)
    files = output.write_holdout(split, r.place)
    trained = found.items.where("trained > 0").select("item_id", "trained").collect()
    return HoldOut(
        holdout_users([u.asDict() for u in users.collect()], split, r.config.interest),
        files,
        {c["item_id"]: c["trained"] for c in trained},
    )


def holdout_users(users: list[dict], split: pa.Table, interest_: Interest) -> list[dict]:
    """The hold-out users with everything they did, their history side and their answers."""
    answers: dict[str, list[str]] = {}
    side = split.filter(split["answer"])
    for user, item in zip(side["user_id"].to_pylist(), side["item_id"].to_pylist(), strict=True):
        answers.setdefault(user, []).append(item)
    pasts = holdout.histories(split.filter(pc.invert(split["answer"])), interest_)
    nothing = holdout.Past([], [], [])
    found = []
    for u in users:
        past = pasts.get(u["user_id"], nothing)
        sides = {"past_items": past.items, "past_weights": past.weights, "past_seen": past.seen}
        found.append(u | sides | {"answers": answers.get(u["user_id"])})
    return found


def write_items(
    r: Attempt, found: Input, factors: DataFrame, trained: dict[str, int]
) -> tuple[list[File], evaluate.Catalogue]:
    """Write the items and read the vectors back: fold-in uses the very bytes that ship."""
    rows = output.item_rows(found.items, factors, found.metadata)
    n = output.files_for(len(trained), 4 * r.config.rank + 200)
    files = output.expect_rows(output.write(rows, r.place, "items", "item_id", n), len(trained))
    table = r.bucket.read_parquet([f.key for f in files], ["item_id", "embedding"])
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), r.config.rank)
    ids = table["item_id"].to_pylist()
    return files, evaluate.Catalogue(ids, vectors, np.array([trained[i] for i in ids]), found.trained_users)


def write_users(r: Attempt, found: Input, factors: DataFrame, scored: list[evaluate.Scored]) -> list[File]:
    """Write every user: trained, folded in, or without a vector."""
    trained = factors.select(F.col("id").alias("user"), F.col("features").alias("embedding"))
    rows = output.user_rows(found.users, trained.unionByName(folded_vectors(r, scored)))
    n = found.summary["users"]
    row_bytes = 4 * r.config.rank + 50 + 15 * found.likes // max(1, n)
    return output.expect_rows(output.write(rows, r.place, "users", "user_id", output.files_for(n, row_bytes)), n)


def folded_vectors(r: Attempt, scored: list[evaluate.Scored]) -> DataFrame:
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
