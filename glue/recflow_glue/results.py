"""Writes the items, users and hold-out files, and reads the item vectors back."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recflow_glue import arrays, evaluate, holdout, output
from recflow_glue.arguments import Interest
from recflow_glue.attempt import Attempt
from recflow_glue.matrix import materialize
from recflow_glue.output import File
from recflow_glue.prepare import Input
from recflow_glue.train import Model, write_vectors


@dataclass(frozen=True)
class HoldOut:
    """The hold-out: the input of scoring except the vectors, and the files from which Go scores a version."""

    users: list[dict]  # the rows of evaluate.score: user, both histories, answers and repeats
    files: list[File]
    trained: dict[str, int]  # number of trained users who like the item, for each item with a vector


def prepare_holdout(r: Attempt, found: Input) -> HoldOut:
    """Prepare the hold-out and write its files. Needs no vectors, so it runs during training."""
    users = found.users.where("holdout").select("user", "user_id", "history_items", "history_weights")
    ids = F.broadcast(users.select("user_id"))
    materialize(found.events.join(ids, "user_id", "left_semi").select(arrays.COLUMNS), r.scratch, "held_out")
    split = holdout.split(r.scratch.read("held_out"), r.config.interest)
    files = output.write_holdout(split, r.destination)
    trained = found.items.where("trained > 0").select("item_id", "trained").collect()
    return HoldOut(
        holdout_users([u.asDict() for u in users.collect()], split, r.config.interest),
        files,
        {c["item_id"]: c["trained"] for c in trained},
    )


def holdout_users(users: list[dict], split: pa.Table, interest_: Interest) -> list[dict]:
    """Return the hold-out users with their whole history, the history before the cut, the answers and the
    repeats."""
    answers, repeats = items_by_user(split.filter(split["answer"])), items_by_user(split.filter(split["repeat"]))
    before = pc.invert(pc.or_(split["answer"], split["repeat"]))
    pasts = {p["user_id"]: p for p in arrays.histories(split.filter(before), interest_).to_pylist()}
    empty = {"history_items": [], "history_weights": [], "seen_items": []}
    found = []
    for u in users:
        past = pasts.get(u["user_id"], empty)
        before_cut = {
            "past_items": past["history_items"],
            "past_weights": past["history_weights"],
            "past_seen": past["seen_items"],
        }
        id_ = u["user_id"]
        found.append(u | before_cut | {"answers": answers.get(id_), "repeats": repeats.get(id_, [])})
    return found


def items_by_user(events: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for user, item in zip(events["user_id"].to_pylist(), events["item_id"].to_pylist(), strict=True):
        found.setdefault(user, []).append(item)
    return found


def write_items(r: Attempt, found: Input, model: Model, trained: dict[str, int]) -> tuple[list[File], evaluate.Catalog]:
    """Write the items and read their vectors back, so that fold-in uses the published bytes."""
    rows = output.item_rows(found.items, model.items, found.metadata)
    n = output.file_count(len(trained), 4 * model.settings.rank + 200)
    files = output.require_rows(output.write(rows, r.destination, "items", "item_id", n), len(trained))
    table = r.bucket.read_parquet([f.key for f in files], ["item_id", "embedding", "category"])
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), model.settings.rank)
    ids = table["item_id"].to_pylist()
    counts = np.array([trained[i] for i in ids])
    return files, evaluate.Catalog(ids, vectors, counts, found.trained_users, numbers(table["category"]))


def numbers(categories: pa.ChunkedArray) -> np.ndarray:
    """Return a number for each category, -1 for null."""
    coded = categories.combine_chunks().dictionary_encode()
    return coded.indices.fill_null(-1).to_numpy()


def write_users(r: Attempt, found: Input, model: Model, scored: list[evaluate.Scored]) -> list[File]:
    """Write all users: trained, folded in, or without a vector."""
    rows = output.user_rows(found.users, model.users.unionByName(folded_vectors(r, scored, model.settings.rank)))
    n = found.summary["users"]
    row_bytes = 4 * model.settings.rank + 50 + 15 * found.likes // max(1, n)
    return output.require_rows(
        output.write(rows, r.destination, "users", "user_id", output.file_count(n, row_bytes)), n
    )


def folded_vectors(r: Attempt, scored: list[evaluate.Scored], rank: int) -> DataFrame:
    """Return the hold-out users' vectors as a DataFrame."""
    folded = [s for s in scored if s.vector]
    vectors = np.frombuffer(b"".join(s.vector for s in folded), dtype=np.float32).reshape(len(folded), rank)
    uri = write_vectors(r, "folded/part-0.parquet", "user", np.array([s.user for s in folded], np.int32), vectors)
    return r.spark.read.schema("user int, embedding array<float>").parquet(uri)
