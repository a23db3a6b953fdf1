import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recflow_glue import als, defaults, knn, train
from recflow_glue.settings import Requested

GIB = 1 << 30


@pytest.mark.parametrize(
    ("trainer", "pairs", "want"),
    [("auto", 10**6, "als"), ("auto", 10**9, "mllib"), ("als", 10**9, "als"), ("mllib", 10, "mllib")],
)
def it_chooses_the_trainer(trainer, pairs, want):
    size = train.Size(users=10**5, items=10**5, pairs=pairs)
    assert train.choose_trainer(Requested(trainer=trainer), size, 8 * GIB) == want


def it_compiles_every_loop_ahead():
    train.compile_ahead()
    compiled = {f: len(f.signatures) for f in (als._solve, als._compress, defaults._multiply, knn._neighbors)}
    assert min(compiled.values()) > 0
    train.compile_ahead()
    assert {f: len(f.signatures) for f in compiled} == compiled


def it_names_the_highest_rank_that_fits():
    size = train.Size(users=10**6, items=10**6, pairs=10**7)
    rank = size.highest_rank(4 * GIB)
    assert size.memory(rank) <= 4 * GIB < size.memory(rank + 1)
    assert size.highest_rank(100 * GIB) == 512
    assert size.highest_rank(1000) == 0


def it_reads_the_same_matrix_whatever_the_numbers(scratch):
    """Spark numbers users and items by partition. The matrix has the order of their ids."""
    rng = np.random.default_rng(1)
    users, items = [f"u{n:02}" for n in range(9)], [f"i{n:02}" for n in range(7)]
    pairs = [(u, i, float(1 + u * i)) for u in range(9) for i in range(7) if (u + i) % 3]
    found = []
    for _ in range(2):
        user_number, item_number = rng.permutation(9), rng.permutation(7)
        order = rng.permutation(len(pairs))
        tables = {
            "users_numbered": {"user_id": users, "row": user_number << 33},
            "items_numbered": {"item_id": items, "row": item_number << 33},
            "pairs": {
                "user": [user_number[pairs[n][0]] for n in order],
                "item": [item_number[pairs[n][1]] for n in order],
                "weight": pa.array([pairs[n][2] for n in order], pa.float32()),
            },
        }
        for name, columns in tables.items():
            folder = scratch.folder / name
            folder.mkdir(exist_ok=True)
            pq.write_table(pa.table(columns), folder / "part-0.parquet")
        m = train.read_matrix(scratch)
        assert m.users.tolist() == user_number.tolist()
        assert m.items.tolist() == item_number.tolist()
        found.append([x.tolist() for x in (m.by_user.starts, m.by_user.columns, m.by_user.weights, m.by_item.columns)])
    assert found[0] == found[1]
