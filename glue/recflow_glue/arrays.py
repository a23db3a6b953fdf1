"""Computes users' histories in arrays on the driver, for the hold-out and for data of moderate size.

The rules are those of interest.py, which computes the same in Spark columns; the shared vectors test both.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recflow_glue.arguments import LOG, MAX_INTEREST, VALUE, Interest, fold_type
from recflow_glue.interest import IMPRESSION, MAX_ITEMS, MIN_WEIGHT, RATING

COLUMNS = ["user_id", "event_id", "item_id", "event_type", "value", "occurred_at"]
MAX_EVENTS = 2_000_000  # whose histories are computed on the driver
NEVER = np.iinfo(np.int64).min  # the reference time of a user without a counting event


@dataclass(frozen=True)
class Rows:
    """Events as arrays in (user, time, event id) order, one entry per row unless noted."""

    table: pa.Table
    users: list[str]
    items: list[str]
    starts: np.ndarray  # first row of each user
    user: np.ndarray  # index in users
    pair: np.ndarray  # user and item as one number: user * len(items) + item
    weight: np.ndarray  # before decay


def rows(events: pa.Table, interest: Interest) -> Rows:
    """Return the events without impressions as Rows."""
    types, of = numbered(events["event_type"])
    action = np.array([fold_type(t) != IMPRESSION for t in types], dtype=bool)[of]
    table = events.filter(pa.array(action)).sort_by(
        [("user_id", "ascending"), ("occurred_at", "ascending"), ("event_id", "ascending")]
    )
    users, user = numbered(table["user_id"])
    items, item = numbered(table["item_id"])
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    return Rows(table, users, items, starts, user, user * len(items) + item, weights(table, interest))


def numbered(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """Return the distinct values in order of appearance, and the index of the value of each row."""
    coded = pa.chunked_array(column).combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def weights(table: pa.Table, interest: Interest) -> np.ndarray:
    """Return the weight of each row before decay. The rules are those of interest.event_weight."""
    types, of = numbered(table["event_type"])
    names = [fold_type(t) for t in types]
    declared, uses = interest.folded_weights(), interest.folded_uses()
    weight = np.array([declared.get(t, 0.0) for t in names])[of]
    value = table["value"].to_numpy()  # NaN if null
    value = np.where(np.isfinite(value), value, np.nan)
    size = np.minimum(np.abs(np.where(np.isnan(value), 1.0, value)), MAX_INTEREST)
    used = {use: np.array([uses.get(t) == use for t in names], dtype=bool)[of] for use in (LOG, VALUE)}
    counted = np.where(used[LOG], np.log2(1 + size), np.where(used[VALUE], size, 1.0))
    rating = np.array([t == RATING for t in names], dtype=bool)[of]
    signed = np.where((weight < 0) | (value < 0), -1.0, 1.0) * np.abs(weight) * counted
    return np.where(rating, np.where(value >= interest.rating_threshold, weight, 0.0), signed)


def liked(pair: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """True for each row whose user and item have a positive sum of weights."""
    pairs, of = np.unique(pair, return_inverse=True)
    return (np.bincount(of, weight, len(pairs)) >= MIN_WEIGHT)[of]


def histories(events: pa.Table, interest: Interest) -> pa.Table:
    """Return the table of interest.histories, in the order of the user ids."""
    r = rows(events, interest)
    weight, latest = aged(r, interest)
    pairs, of = np.unique(r.pair, return_inverse=True)
    total = np.bincount(of, weight, len(pairs))  # sums in row order
    user, item = np.divmod(pairs, max(1, len(r.items)))
    by_id = np.argsort(pc.array_sort_indices(pa.array(r.items, pa.string())).to_numpy())  # rank of each item
    order = np.lexsort((by_id[item], user))
    user, item, total = user[order], item[order], total[order]
    counts = total >= max(interest.floor, MIN_WEIGHT)
    weights_ = total.astype(np.float32)
    kept = bounded(user, weights_, counts)
    n, names = len(r.users), pa.array(r.items, pa.string())

    def lists(of_user: np.ndarray, values: pa.Array) -> pa.ListArray:
        return pa.ListArray.from_arrays(
            np.concatenate([[0], np.bincount(of_user, minlength=n).cumsum()]).astype(np.int32), values
        )

    found, seen = np.flatnonzero(kept & counts), np.flatnonzero(kept & ~counts)
    return pa.table(
        {
            "user_id": pa.array(r.users, pa.string()),
            "history_items": lists(user[found], names.take(pa.array(item[found]))),
            "history_weights": lists(user[found], pa.array(weights_[found])),
            "reference_time": pa.array(latest, pa.timestamp("us", "UTC"), mask=latest == NEVER),
            "seen_items": lists(user[seen], names.take(pa.array(item[seen]))),
        }
    )


def aged(r: Rows, interest: Interest) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each row after decay, and the reference time of each user in microseconds, or NEVER."""
    if not r.users:
        return r.weight, np.empty(0, np.int64)
    at = r.table["occurred_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    latest = np.maximum.reduceat(np.where(r.weight > 0, at, NEVER), r.starts)
    if interest.half_life_seconds <= 0:
        return r.weight, latest
    of_row = latest[r.user]
    age = np.where((r.weight != 0) & (of_row != NEVER), of_row - at, 0)
    with np.errstate(over="ignore"):  # of a return long after the latest counting event
        return r.weight * 2.0 ** (-age / (interest.half_life_seconds * 1e6)), latest


def bounded(user: np.ndarray, weight: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """True for each pair that stays in its user's history: the MAX_ITEMS heaviest of those that count, and what
    is left of that number for those that do not. Pairs are ordered by user and item."""
    order = np.lexsort((np.arange(len(user)), np.where(counts, -weight, 0), ~counts, user))
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    position = np.arange(len(user)) - np.repeat(starts, np.diff(np.append(starts, len(user))))
    kept = np.empty(len(user), dtype=bool)
    kept[order] = position < MAX_ITEMS
    return kept
