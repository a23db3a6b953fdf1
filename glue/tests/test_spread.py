import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from data import put_interactions, put_items, shop

from recflow_glue import als, defaults, spread
from recflow_glue.settings import Settings
from recflow_glue.storage import Scratch

USERS, ITEMS = 90, 40
S = Settings("als", 8, 2, 2.0, 3.0, 0.5, 1.0, 7)


@pytest.fixture
def pairs():
    """User and item numbers and weights. Two users and an item have no pair."""
    rng = np.random.default_rng(5)
    users, items = np.nonzero(rng.random((USERS, ITEMS)) < 0.2)
    kept = (users != 3) & (users != USERS - 1) & (items != 4)
    return (
        users[kept].astype(np.int32),
        items[kept].astype(np.int32),
        rng.uniform(0.01, 5, kept.sum()).astype(np.float32),
    )


def spread_matrix(spark, scratch, pairs, monkeypatch, parts):
    """Return the matrix in this number of parts. Spark's numbers of users and items are shuffled."""
    rng = np.random.default_rng(parts)
    users, items = (rng.permutation(n).astype(np.int32) for n in (USERS, ITEMS))
    rows = zip(users[pairs[0]].tolist(), items[pairs[1]].tolist(), pairs[2].tolist(), strict=True)
    df = spark.createDataFrame(list(rows), "user int, item int, weight float")
    monkeypatch.setattr(spread, "PARTS_PER_CORE", 1)
    return spread.read(df, scratch, users, items, parts)


@pytest.mark.parametrize(("parts", "scratch_is_local"), [(1, True), (2, False), (5, True)])
def it_returns_the_bytes_of_the_driver_for_any_number_of_parts(
    spark, bucket, pairs, monkeypatch, parts, scratch_is_local
):
    """On Glue the scratch space is in the bucket."""
    scratch = Scratch(bucket, "scratch/", scratch_is_local)
    local = als.compress(*pairs, (USERS, ITEMS))
    by_user, by_item = spread_matrix(spark, scratch, pairs, monkeypatch, parts)
    assert [len(m.bounds) - 1 for m in (by_user, by_item)] == [parts, parts]
    assert by_user.counts().tolist() == local[0].counts().tolist()
    assert by_item.counts().tolist() == local[1].counts().tolist()
    want = [x.tobytes() for x in als.fit(*local, S, 2)]
    seen = []
    if parts == 5:
        monkeypatch.setattr(spread, "WAVE_BYTES", 4 * 8 * 40)  # several waves
    assert [x.tobytes() for x in als.fit(by_user, by_item, S, 2, seen.append)] == want
    assert seen == [1, 2]
    scratch.remove()


def it_measures_the_matrix_as_on_the_driver(spark, scratch, pairs, monkeypatch):
    matrices = als.compress(*pairs, (USERS, ITEMS)), spread_matrix(spark, scratch, pairs, monkeypatch, 2)
    want, got = (defaults.measure(*m, rank_limit=64, count=True, seed=3, threads=2) for m in matrices)
    assert got == want


def it_returns_the_same_bytes_when_tasks_are_tried_again(spark, scratch, pairs, monkeypatch, tmp_path, faults):
    """Every first attempt of a task fails after it has solved its rows."""
    local = als.compress(*pairs, (USERS, ITEMS))
    by_user, by_item = spread_matrix(spark, scratch, pairs, monkeypatch, 2)
    real, folder = spread.task, str(tmp_path)

    def failing(kernel, own, everywhere, first, bounds):
        work = real(kernel, own, everywhere, first, bounds)

        def run(parts):
            found = list(work(parts))
            from pyspark import TaskContext

            context = TaskContext.get()
            if context.attemptNumber() == 0:
                Path(folder, f"{context.stageId()}-{context.partitionId()}").touch()
                raise RuntimeError("injected")
            return iter(found)

        return run

    monkeypatch.setattr(spread, "task", failing)
    got = als.fit(by_user, by_item, S, 2)
    faults["tasks"] = len(list(tmp_path.iterdir()))
    assert [x.tobytes() for x in got] == [x.tobytes() for x in als.fit(*local, S, 2)]
    assert faults == Counter(tasks=2 * (2 * S.iterations + 1))


@pytest.mark.parametrize("sizes", [[1], [5, 0, 0, 1], [0, 0, 3, 3], [1] * 50, [100] + [0] * 20])
@pytest.mark.parametrize("cores", [1, 3, 7])
def it_divides_all_rows_into_parts_of_a_limited_size(sizes, cores, monkeypatch):
    monkeypatch.setattr(spread, "PART_ROWS", 9)
    monkeypatch.setattr(spread, "PART_PAIRS", 4)
    bounds = spread.divide(np.array(sizes), cores)
    assert (bounds[0], bounds[-1]) == (0, len(sizes))
    assert (np.diff(bounds) > 0).all()
    assert np.diff(bounds).max() <= 9
    assert np.add.reduceat(sizes, bounds[:-1]).max() <= 4 + max(sizes)


def it_sends_rows_in_waves_of_a_limited_size(monkeypatch):
    monkeypatch.setattr(spread, "WAVE_BYTES", 100)
    m = spread.SpreadRows(None, np.array([0, 5, 10, 22, 30]), np.zeros(30))
    assert list(m.waves(10)) == [(0, 2), (2, 3), (3, 4)]
    assert list(m.waves(1)) == [(0, 4)]
    assert list(m.waves(1000)) == [(0, 1), (1, 2), (2, 3), (3, 4)]


JOB = """
import sys
from recflow_glue import arguments, job, train
train.WORTH_SPREADING, train.session.cores = 0, lambda: 1
job.run(arguments.parse(sys.argv[1:]))
"""


def run_job(bucket, master: str, run: str) -> tuple[dict, str]:
    """Run the whole job in a process of its own. Returns the manifest and what the job printed."""
    arguments = {
        "bucket": bucket.name,
        "run_id": run,
        "to": "2017-03-01T00:00:00Z",
        "stored_to": "2017-03-01T00:00:00Z",
    }
    env = os.environ | {"RECFLOW_SPARK_MASTER": master, "RECFLOW_SPARK_MEMORY": "1g"}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", JOB, *(x for name, value in arguments.items() for x in (f"--{name}", value))]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(bucket.get(f"embeddings/run={run}/manifest.json")), done.stdout


def it_trains_on_a_cluster_as_on_one_machine(endpoint, bucket):
    put_interactions(bucket, shop())
    put_items(bucket, [f"item{i}" for i in range(40)])
    alone, printed = run_job(bucket, "local[2]", "alone")
    assert "training runs on: driver" in printed
    cluster, printed = run_job(bucket, "local-cluster[2,1,2048]", "cluster")
    assert "training runs on: executors" in printed
    assert cluster["parameters"] == alone["parameters"]
    assert cluster["defaults"] | {"rank_limit": 0} == alone["defaults"] | {"rank_limit": 0}
    assert cluster["gram"] == alone["gram"]  # the same bits
    for method in ("candidate", "popularity"):
        for name, metric in alone["metrics"][method].items():
            assert cluster["metrics"][method][name]["value"] == pytest.approx(metric["value"], abs=0.001)
