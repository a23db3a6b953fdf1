"""Selects the hold-out users and splits their events into history and answers.

The hold-out has at most about 10,000 users with five million events. They fit on the
driver, where numpy needs less time than Spark needs to plan. The weights are computed
in arrays here and in Spark columns in interest.py; the shared vectors test both.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import Column

from recflow_glue.arguments import LOG, MAX_INTEREST, VALUE, Interest, fold_type
from recflow_glue.events import id_bits
from recflow_glue.interest import IMPRESSION, MAX_ITEMS, MIN_WEIGHT, RATING

ONE_USER_IN = 10  # one user in ten is in the hold-out
MAX_USERS = 10_000  # in the hold-out, approximately
MAX_EVENTS = 5_000_000  # of hold-out users, approximately: half a gigabyte on the driver
ONE_ANSWER_IN = 5  # one counting event in five comes after the cut
COLUMNS = ["user_id", "event_id", "item_id", "event_type", "value", "occurred_at"]


def bound(users: int, events: int) -> str:
    """Return the hold-out bound as 16 hex digits, for a training with this many users and events."""
    shares = [2**64 // ONE_USER_IN, 2**64 * MAX_USERS // max(1, users), 2**64 * MAX_EVENTS // max(1, events)]
    return f"{min(shares):016x}"


def contains(bound_: str, user_id: str = "user_id") -> Column:
    """True if the user is held out. 16 hex digits sort like the integers."""
    return id_bits("holdout:", user_id) < bound_


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


def split(events: pa.Table, interest: Interest) -> pa.Table:
    """Return the hold-out users' events with the columns `answer` and `repeat`, without users that cannot
    be scored.

    A user's counting events are those with a positive weight, except on items whose weights
    have no positive sum: what was returned is no answer. They are ordered by (occurred_at,
    event_id). The last fifth of them, at least one, come after the cut. Before the cut every
    event except impressions is history. After it a counting event is an answer, or a repeat
    if its item is in the history, once per item; all other events are dropped. A user needs
    an answer, and an item with a positive sum of weights before the cut.
    """
    r = rows(events, interest)
    n = len(r.users)
    counts = (r.weight > 0) & liked(r.pair, r.weight)
    counting = np.bincount(r.user, counts, n)
    before = np.cumsum(counts) - counts
    rank = before + counts - before[r.starts][r.user]
    history = rank <= (counting - np.maximum(1, counting // ONE_ANSWER_IN))[r.user]
    later = np.flatnonzero(counts & ~history)
    first = np.zeros(len(history), dtype=bool)
    first[later[np.unique(r.pair[later], return_index=True)[1]]] = True
    known = np.isin(r.pair, r.pair[history])
    answer, repeat = first & ~known, first & known
    scored = (np.bincount(r.user, answer, n) > 0) & (
        np.bincount(r.user, history & liked(r.pair, r.weight * history), n) > 0
    )
    selected = (history | first) & scored[r.user]
    marked = r.table.append_column("answer", pa.array(answer)).append_column("repeat", pa.array(repeat))
    return marked.filter(pa.array(selected))


def liked(pair: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """True for each row whose user and item have a positive sum of weights."""
    pairs, of = np.unique(pair, return_inverse=True)
    return (np.bincount(of, weight, len(pairs)) >= MIN_WEIGHT)[of]


@dataclass(frozen=True)
class Past:
    """One user's history: a row of interest.histories without the reference time."""

    items: list[str]
    weights: list[float]  # float32
    seen: list[str]


def histories(events: pa.Table, interest: Interest) -> dict[str, Past]:
    """Return each user's history. The rules are those of interest.histories."""
    r = rows(events, interest)
    if not r.users:
        return {}
    weight = r.weight
    if interest.half_life_seconds > 0:
        at = r.table["occurred_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        never = np.iinfo(np.int64).min
        latest = np.maximum.reduceat(np.where(weight > 0, at, never), r.starts)[r.user]
        age = np.where((weight != 0) & (latest != never), latest - at, 0)
        with np.errstate(over="ignore"):  # of a return long after the latest counting event
            weight = weight * 2.0 ** (-age / (interest.half_life_seconds * 1e6))
    pairs, of = np.unique(r.pair, return_inverse=True)
    total = np.bincount(of, weight)  # sums in row order
    rounded = total.astype(np.float32)
    counts = total >= max(interest.floor, MIN_WEIGHT)
    found = {u: Past([], [], []) for u in r.users}
    for pair, w, liked in zip(pairs.tolist(), rounded.tolist(), counts.tolist(), strict=True):
        past, item = found[r.users[pair // len(r.items)]], r.items[pair % len(r.items)]
        if liked:
            past.items.append(item)
            past.weights.append(w)
        else:
            past.seen.append(item)
    return {u: bounded(past) for u, past in found.items()}


def bounded(past: Past) -> Past:
    """Return the history with its MAX_ITEMS heaviest items."""
    if len(past.items) + len(past.seen) <= MAX_ITEMS:
        return past
    order = sorted(range(len(past.items)), key=lambda i: (-past.weights[i], past.items[i]))
    kept = sorted(order[:MAX_ITEMS])
    seen = sorted(past.seen)[: MAX_ITEMS - len(kept)]
    return Past([past.items[i] for i in kept], [past.weights[i] for i in kept], seen)
