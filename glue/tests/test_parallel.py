import threading

import pytest

from recflow_glue.parallel import in_parallel


def it_runs_a_job_in_its_own_group_while_another_runs(spark):
    barrier = threading.Barrier(2, timeout=30)  # passed only when both are running
    sc = spark.sparkContext
    group = "spark.jobGroup.id"

    def work():
        barrier.wait()
        return spark.range(10).count(), sc.getLocalProperty(group)

    sc.setJobGroup("main", "")
    with in_parallel(sc, work) as future:
        barrier.wait()
        assert spark.range(5).count() == 5
        n, name = future.result()
    assert n == 10
    assert name.startswith("parallel-")
    assert sc.getLocalProperty(group) == "main"


def it_returns_the_error(spark, faults):
    def fail():
        faults["job failed"] += 1
        raise ZeroDivisionError

    with in_parallel(spark.sparkContext, fail) as future:
        pass
    with pytest.raises(ZeroDivisionError):
        future.result()


def it_cancels_the_job_when_the_block_fails(spark, tmp_path, faults):
    """The tasks of the job wait for a file that is never written, so the test ends only if they are cancelled."""
    sc, started, wanted = spark.sparkContext, str(tmp_path / "started"), str(tmp_path / "wanted")

    def endless(_):
        import pathlib
        import threading

        pathlib.Path(started).touch()
        while not pathlib.Path(wanted).exists():
            threading.Event().wait(0.02)
        return []

    def fail():
        while not (tmp_path / "started").exists():
            threading.Event().wait(0.02)
        faults["block failed"] += 1
        raise KeyError("main")

    with (
        pytest.raises(KeyError, match="main"),
        in_parallel(sc, lambda: sc.range(1).mapPartitions(endless).count()) as future,
    ):
        fail()
    assert "cancelled" in str(future.exception())
