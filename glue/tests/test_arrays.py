from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from data import frame, row, table

from recflow_glue import arrays, interest
from recflow_glue.arguments import Interest

RULES = [
    Interest(),
    Interest(weights={"click": 1, "order": 3.5, "sent_back": -3.5}, value_use={"order": "value"}, half_life_seconds=0),
    Interest(weights={"click": 0.25, "order": 1}, value_use={"order": "log"}, half_life_seconds=3600.0, floor=0.05),
]


def shop(rng: np.random.Generator, n: int) -> list[dict]:
    """Events of a few users on a few items, with returns, impressions, ratings and equal times."""
    types = ["click", "Order", "rating", "impression", "sent-back", "unknown"]
    values = [None, -2.0, 0.0, 1.0, 4.5, float("nan")]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        row(
            f"e{i}",
            f"u{rng.integers(30)}",
            f"i{rng.integers(40)}",
            types[rng.integers(6)],
            value=values[rng.integers(6)],
        )
        | {"occurred_at": start + timedelta(microseconds=int(rng.integers(5)) * 3_600_000_007)}
        for i in range(n)
    ]


@pytest.mark.parametrize("rules", RULES)
def it_agrees_with_spark(spark, rules):
    rows = shop(np.random.default_rng(1), 3_000)
    want = interest.histories(frame(spark, rows), rules).orderBy("user_id").collect()
    got = arrays.histories(table(rows), rules).to_pylist()
    assert [g["user_id"] for g in got] == [w["user_id"] for w in want]
    for g, w in zip(got, want, strict=True):
        for name in ("history_items", "seen_items"):
            assert g[name] == w[name], g["user_id"]
        assert g["history_weights"] == pytest.approx(w["history_weights"], rel=1e-6)
        at = g["reference_time"]
        assert (at and at.astimezone(UTC).replace(tzinfo=None)) == w["reference_time"]
