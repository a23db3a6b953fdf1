"""Selects the hold-out users and splits their events into history and answers.

The hold-out has at most about 10,000 users with five million events. They fit on the
driver, where numpy needs less time than Spark needs to plan.
"""

import numpy as np
import pyarrow as pa
from pyspark.sql import Column

from recflow_glue import arrays
from recflow_glue.arguments import Interest
from recflow_glue.events import id_bits

ONE_USER_IN = 10  # one user in ten is in the hold-out
MAX_USERS = 10_000  # in the hold-out, approximately
MAX_EVENTS = 5_000_000  # of hold-out users, approximately: half a gigabyte on the driver
ONE_ANSWER_IN = 5  # one counting event in five comes after the cut


def bound(users: int, events: int) -> str:
    """Return the hold-out bound as 16 hex digits, for a training with this many users and events."""
    shares = [2**64 // ONE_USER_IN, 2**64 * MAX_USERS // max(1, users), 2**64 * MAX_EVENTS // max(1, events)]
    return f"{min(shares):016x}"


def contains(bound_: str, user_id: str = "user_id") -> Column:
    """True if the user is held out. 16 hex digits sort like the integers."""
    return id_bits("holdout:", user_id) < bound_


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
    r = arrays.rows(events, interest)
    n = len(r.users)
    counts = (r.weight > 0) & arrays.liked(r.pair, r.weight)
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
        np.bincount(r.user, history & arrays.liked(r.pair, r.weight * history), n) > 0
    )
    selected = (history | first) & scored[r.user]
    marked = r.table.append_column("answer", pa.array(answer)).append_column("repeat", pa.array(repeat))
    return marked.filter(pa.array(selected))
