"""The hold-out: who belongs to it, which of their events are the answers, and what was known before.

At most about 10,000 users with five million events are held out, so those fit on
the driver, where numpy needs less time than Spark to plan. What interest.py says in columns is said
here in arrays; the shared vectors hold both to the same.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column

from recflow_glue.arguments import Interest
from recflow_glue.events import id_bits
from recflow_glue.interest import IMPRESSION

SHARE = 10  # one user in ten,
MOST = 10_000  # but about this many at most,
MOST_EVENTS = 5_000_000  # with about this many events: half a gigabyte on the driver
ANSWERS = 5  # one counting event in five is an answer
COLUMNS = ["user_id", "event_id", "item_id", "event_type", "value", "occurred_at"]


def bound(users: int, events: int) -> str:
    """The bound, as 16 hex digits, for a training with this many users and events."""
    shares = [2**64 // SHARE, 2**64 * MOST // max(1, users), 2**64 * MOST_EVENTS // max(1, events)]
    return f"{min(shares):016x}"


def contains(bound_: str, user_id: str = "user_id") -> Column:
    """Whether the user is held out: 16 hex digits order as the integers do."""
    return id_bits("holdout:", user_id) < bound_


@dataclass(frozen=True)
class Rows:
    """Events in (user, time, event id) order as arrays, one entry a row where not said otherwise."""

    table: pa.Table
    users: list[str]
    items: list[str]
    starts: np.ndarray  # of each user: its first row
    user: np.ndarray  # index in users
    pair: np.ndarray  # user and item in one number: user * len(items) + item
    weight: np.ndarray  # before age


def rows(events: pa.Table, interest: Interest) -> Rows:
    """What users did, in order."""
    done = events.filter(pc.not_equal(events["event_type"], IMPRESSION))
    table = done.sort_by([("user_id", "ascending"), ("occurred_at", "ascending"), ("event_id", "ascending")])
    users, user = numbered(table["user_id"])
    items, item = numbered(table["item_id"])
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    return Rows(table, users, items, starts, user, user * len(items) + item, weights(table, interest))


def numbered(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The values in order of appearance, and which of them each row has."""
    coded = pa.chunked_array(column).combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def weights(table: pa.Table, interest: Interest) -> np.ndarray:
    types, of = numbered(table["event_type"])
    weight = np.array([float(interest.weights.get(t, 0.0)) for t in types])[of]
    value = table["value"].to_numpy()  # NaN where there is none
    unliked = ~(value >= interest.rating_threshold)
    weight[unliked & np.array([t == "rating" for t in types], dtype=bool)[of]] = 0.0
    return weight


def split(events: pa.Table, interest: Interest) -> pa.Table:
    """The hold-out users' events with an `answer` flag; users that cannot be scored are left out.

    A user's counting events are ordered by (occurred_at, event_id). The last
    fifth, at least one, come after the cut. Before it everything is history;
    after it a counting event is an answer unless its item is in the history,
    once per item, and the rest is dropped. Impressions are no history.
    """
    r = rows(events, interest)
    counts, n = r.weight > 0, len(r.users)
    counting = np.bincount(r.user, counts, n)
    before = np.cumsum(counts) - counts
    rank = before + counts - before[r.starts][r.user]
    history = rank <= (counting - np.maximum(1, counting // ANSWERS))[r.user]
    later = np.flatnonzero(counts & ~history & ~np.isin(r.pair, r.pair[history]))
    answer = np.zeros(len(history), dtype=bool)
    answer[later[np.unique(r.pair[later], return_index=True)[1]]] = True
    scored = (np.bincount(r.user, answer, n) > 0) & (np.bincount(r.user, history & counts, n) > 0)
    kept = (history | answer) & scored[r.user]
    return r.table.append_column("answer", pa.array(answer)).filter(pa.array(kept))


@dataclass(frozen=True)
class Past:
    """One user's history; as a row of interest.histories, without its reference."""

    items: list[str]
    weights: list[float]  # float32
    seen: list[str]


def histories(events: pa.Table, interest: Interest) -> dict[str, Past]:
    """Each user's interest in what they did, as interest.histories."""
    r = rows(events, interest)
    if not r.users:
        return {}
    weight = r.weight
    if interest.half_life_seconds > 0:
        at = r.table["occurred_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        latest = np.maximum.reduceat(np.where(weight > 0, at, np.iinfo(np.int64).min), r.starts)
        age = np.where(weight > 0, latest[r.user] - at, 0)
        weight = weight * 2.0 ** (-age / (interest.half_life_seconds * 1e6))
    pairs, of = np.unique(r.pair, return_inverse=True)
    total = np.bincount(of, weight)  # adds in the order of the rows
    short = total.astype(np.float32)
    counts = (short > 0) & (total >= interest.floor)
    found = {u: Past([], [], []) for u in r.users}
    for pair, w, liked in zip(pairs.tolist(), short.tolist(), counts.tolist(), strict=True):
        past, item = found[r.users[pair // len(r.items)]], r.items[pair % len(r.items)]
        if liked:
            past.items.append(item)
            past.weights.append(w)
        else:
            past.seen.append(item)
    return found
