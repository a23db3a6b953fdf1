from datetime import UTC, datetime

import pytest

from recflow_glue import arguments
from recflow_glue.settings import Requested

NEEDED = [
    "--bucket",
    "b",
    "--run_id",
    "r1",
    "--to",
    "2017-12-01T00:00:00Z",
    "--stored_to",
    "2026-11-25T01:02:03.123456789Z",
]


def it_parses_all_arguments_and_ignores_those_of_glue():
    given = ["--JOB_NAME", "recflow-train", "--TempDir", "s3://x/", "--enable-metrics", "true", "--owner", "w/r"]
    interest = '{"weights":{"purchase":2},"value_use":{"purchase":"log"},"rating_threshold":3,"half_life_seconds":86400,"floor":0.5}'
    c = arguments.parse(
        [*NEEDED, *given, "--from", "0001-01-01T00:00:00Z", "--rank", "8", "--alpha", "2", "--interest", interest]
    )
    assert (c.bucket, c.run_id, c.start, c.serving_memory) == ("b", "r1", None, 0)
    assert c.training == Requested(rank=8, alpha=2.0)
    assert c.to == datetime(2017, 12, 1, tzinfo=UTC)
    assert c.stored_to == datetime(2026, 11, 25, 1, 2, 3, 123456, tzinfo=UTC)
    assert c.interest == arguments.Interest({"purchase": 2.0}, 3.0, 86400.0, 0.5, {"purchase": "log"})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--run_id", "../x"], "run_id"),
        (["--from", "2018-01-01T00:00:00Z"], "not before"),
        (["--rank", "0"], "rank"),
        (["--iterations", "0"], "iterations"),
        (["--trainer", "svd"], "trainer"),
        (["--regularization_exponent", "0.5"], "setting of the trainer als"),
        (["--trainer", "als", "--regularization_exponent", "3"], "0 to 2"),
        (["--alpha", "-1"], "alpha"),
        (["--regularization", "nan"], "regularization"),
        (["--interest", '{"weights":{"click":-2e6}}'], "weight of 'click'"),
        (["--interest", '{"weights":{"click":NaN}}'], "weight of 'click'"),
        (["--interest", '{"weights":{"add_to_cart":1,"AddToCart":2}}'], "is another name of"),
        (["--interest", '{"weights":{"click":1},"value_use":{"click":"sqrt"}}'], "value_use of 'click' is 'sqrt'"),
        (["--interest", '{"weights":{"a":1},"value_use":{"a":"log","A":"value"}}'], "more than once"),
        (["--interest", '{"half_life_seconds":-1}'], "half_life_seconds"),
    ],
)
def it_rejects_invalid_arguments(extra, message):
    with pytest.raises(ValueError, match=message):
        arguments.parse([*NEEDED, *extra])


def it_requires_a_time_zone():
    with pytest.raises(SystemExit):
        arguments.parse([*NEEDED, "--to", "2017-12-01T00:00:00"])
