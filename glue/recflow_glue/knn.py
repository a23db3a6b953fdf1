"""Item-kNN, a baseline: the score of an item is the sum of its cosine similarities to the items of the
history (Sarwar et al. 2001), of which each counts for its most similar items only."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from recflow_glue.als import Rows, compiled

NEIGHBORS = 100  # most similar items of an item that count
BATCH = 64  # items whose neighbors a thread finds at once
MAX_WORK = 2_000_000_000  # pairs of users and items that are read: some seconds


def users_within(by_user: Rows, by_item: Rows, histories: list[np.ndarray], most: int = MAX_WORK) -> int:
    """Return how many of the histories can be scored if at most this number of pairs is read."""
    cost = np.zeros(len(by_item), np.int64)
    counts = by_user.counts()
    work, seen = 0, np.zeros(len(by_item), bool)
    for n, history in enumerate(histories):
        new = history[~seen[history]]
        seen[new] = True
        for item in new:
            own = slice(by_item.starts[item], by_item.starts[item + 1])
            cost[item] = counts[by_item.columns[own]].sum()
        work += int(cost[new].sum())
        if work > most:
            return n
    return len(histories)


def scores(by_user: Rows, by_item: Rows, histories: list[np.ndarray], threads: int) -> Iterator[np.ndarray]:
    """Yield the scores of all items (float32) for each history, which has distinct columns."""
    items = np.unique(np.concatenate([*histories, np.empty(0, np.int64)])).astype(np.int64)
    place = np.full(len(by_item), -1, np.int64)
    place[items] = np.arange(len(items))
    found = np.zeros(len(items), np.int64)
    ids, values = np.empty((len(items), NEIGHBORS), np.int32), np.empty((len(items), NEIGHBORS), np.float32)
    root = np.sqrt(by_item.counts()).astype(np.float32)
    matrix = (by_user.starts, by_user.columns, by_item.starts, by_item.columns, root)
    with ThreadPoolExecutor(threads) as pool:
        parts = np.array_split(np.arange(len(items)), max(1, len(items) // BATCH))
        list(pool.map(lambda rows: _neighbors(*matrix, items, rows, found, ids, values), parts))
    for history in histories:
        out = np.zeros(len(by_item), np.float32)
        for row in place[history]:
            out[ids[row, : found[row]]] += values[row, : found[row]]
        yield out


@compiled
def _neighbors(user_starts, user_items, item_starts, item_users, root, items, rows, found, ids, values):
    """Set the given rows of ids and values to the most similar items and their similarities, and found to
    their number."""
    together = np.zeros(len(root), np.float32)
    touched = np.empty(len(root), np.int32)
    for row in rows:
        item, n = items[row], 0
        for a in range(item_starts[item], item_starts[item + 1]):
            u = item_users[a]
            for b in range(user_starts[u], user_starts[u + 1]):
                j = user_items[b]
                if together[j] == 0:
                    touched[n] = j
                    n += 1
                together[j] += 1
        k, least = 0, 0
        for t in range(n):
            j = touched[t]
            similar = together[j] / (root[item] * root[j])
            together[j] = 0
            if j != item:
                k, least = insert(ids[row], values[row], k, least, j, similar)
        found[row] = k


@compiled
def insert(ids, values, k, least, item, similar):
    """Insert an item into the k most similar ones, of which the one at least is the least similar if the
    row is full. Returns both numbers."""
    if k < len(ids):
        place, k = k, k + 1
    elif similar > values[least]:
        place = least
    else:
        return k, least
    ids[place], values[place] = item, similar
    if k == len(ids):
        least = np.argmin(values)
    return k, least
