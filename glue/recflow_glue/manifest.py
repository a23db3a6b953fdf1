"""Builds the manifest of a run. The fields are those of recsys.Manifest in Go."""

import json
from datetime import datetime

import numpy as np

from recflow_glue.arguments import Config

SCHEMA_VERSION = 1


def rfc3339(t: datetime | None) -> str:
    """Format a UTC time with microseconds. None is Go's zero time."""
    if t is None:
        return "0001-01-01T00:00:00Z"
    return t.isoformat(timespec="microseconds").replace("+00:00", "Z")


def build(
    config: Config,
    *,
    created_at: datetime,
    trainer: str,
    gram: np.ndarray,
    input_: dict,
    holdout_bound: str,
    files: list,
    checks: list,
    metrics: dict,
) -> bytes:
    coverage = {"from": rfc3339(config.start), "to": rfc3339(config.to), "stored_to": rfc3339(config.stored_to)}
    body = {
        "schema_version": SCHEMA_VERSION,
        "run_id": config.run_id,
        "created_at": rfc3339(created_at),
        "dimension": config.rank,
        "parameters": config.parameters(trainer),
        "interest": config.interest_fields(),
        "gram": gram.ravel().tolist(),
        "coverage": coverage,
        "input": input_,
        "holdout_bound": holdout_bound,
        "files": [vars(f) for f in files],
        "checks": [c.fields() for c in checks],
        "metrics": metrics,
    }
    return json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
