import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recflow_glue import als, defaults, knn, train
from recflow_glue.session import Executors
from recflow_glue.settings import Requested

GIB = 1 << 30


LAPTOP = Executors(0, 0, 0)
CLUSTER = Executors(9, 4, 6 * GIB)


@pytest.mark.parametrize(
    ("trainer", "pairs", "executors", "want"),
    [
        ("auto", 10**6, LAPTOP, "driver"),
        ("auto", 10**9, LAPTOP, "mllib"),
        ("als", 10**9, LAPTOP, "driver"),
        ("mllib", 10, CLUSTER, "mllib"),
        ("auto", 10**6, CLUSTER, "driver"),  # fits, and is done before executors have started
        ("auto", 16 * 10**7, CLUSTER, "executors"),  # fits, and executors are faster
        ("auto", 16 * 10**7, Executors(1, 4, 6 * GIB), "driver"),  # they have no more cores than the driver
        ("auto", 10**9, CLUSTER, "executors"),
        ("als", 10**9, CLUSTER, "executors"),
        ("auto", 10**9, Executors(9, 4, GIB), "mllib"),
    ],
)
def it_chooses_where_to_train(trainer, pairs, executors, want):
    size = train.Size(users=10**5, items=10**5, pairs=pairs)
    assert train.choose_place(Requested(trainer=trainer), size, 8 * GIB, 4, executors) == want


def it_leaves_factors_that_do_not_fit_on_the_driver_to_mllib():
    size = train.Size(users=10**8, items=10**5, pairs=10**9)
    assert train.choose_place(Requested(), size, 8 * GIB, 4, Executors(99, 4, 500 * GIB)) == "mllib"


def it_compiles_every_loop_ahead():
    train.compile_ahead()
    compiled = {
        f: len(f.signatures) for f in (als._solve, als._compress, defaults._multiply, defaults._sum, knn._neighbors)
    }
    assert min(compiled.values()) > 0
    train.compile_ahead()
    assert {f: len(f.signatures) for f in compiled} == compiled


def it_names_the_highest_rank_that_fits():
    size = train.Size(users=10**6, items=10**6, pairs=10**7)
    rank = size.highest_rank("driver", 4 * GIB, LAPTOP)
    assert size.memory(rank) <= 4 * GIB < size.memory(rank + 1)
    assert size.highest_rank("driver", 100 * GIB, LAPTOP) == 512
    assert size.highest_rank("driver", 1000, LAPTOP) == 0


def it_names_the_highest_rank_that_fits_on_executors():
    size = train.Size(users=10**6, items=10**6, pairs=10**9)
    rank = size.highest_rank("executors", 100 * GIB, CLUSTER)
    assert 0 < 4 * size.worker(rank) <= CLUSTER.memory < 4 * size.worker(rank + 1)
    rank = size.highest_rank("executors", 2 * GIB, CLUSTER)
    assert 0 < size.factors(rank) <= 2 * GIB < size.factors(rank + 1)
    assert size.highest_rank("executors", 100 * GIB, LAPTOP) == 0


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
        ids = train.read_ids(scratch)
        m = train.read_matrix(scratch, ids)
        assert ids.users.tolist() == user_number.tolist()
        assert ids.items.tolist() == item_number.tolist()
        found.append([x.tolist() for x in (m.by_user.starts, m.by_user.columns, m.by_user.weights, m.by_item.columns)])
    assert found[0] == found[1]
