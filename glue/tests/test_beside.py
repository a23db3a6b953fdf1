import threading

import pytest

from recflow_glue.beside import beside


def it_runs_a_job_of_its_own_while_another_runs(spark):
    met = threading.Barrier(2, timeout=30)  # passed only when both are under way
    sc = spark.sparkContext
    group = "spark.jobGroup.id"

    def work():
        met.wait()
        return spark.range(10).count(), sc.getLocalProperty(group)

    sc.setJobGroup("main", "")
    with beside(sc, work) as side:
        met.wait()
        assert spark.range(5).count() == 5
        n, name = side.result()
    assert n == 10
    assert name.startswith("beside-")
    assert sc.getLocalProperty(group) == "main"


def it_hands_over_the_error(spark, faults):
    def fail():
        faults["job failed"] += 1
        raise ZeroDivisionError

    with beside(spark.sparkContext, fail) as side:
        pass
    with pytest.raises(ZeroDivisionError):
        side.result()


def it_stops_the_other_job_when_the_block_fails(spark, tmp_path, faults):
    """Its tasks wait for a file that never comes; without cancelling them the test would not end."""
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

    with pytest.raises(KeyError, match="main"), beside(sc, lambda: sc.range(1).mapPartitions(endless).count()) as side:
        fail()
    assert "cancelled" in str(side.exception())
