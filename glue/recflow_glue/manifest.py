"""Builds the manifest of a run. The fields are those of recsys.Manifest in Go."""

import json
from dataclasses import asdict
from datetime import datetime

import numba
import numpy as np
import pyarrow as pa
import pyspark

from recflow_glue.arguments import Config, rfc3339
from recflow_glue.train import Model

SCHEMA_VERSION = 1
LIBRARIES = (numba, np, pa, pyspark)  # whose versions can change the result


def build(
    config: Config,
    *,
    created_at: datetime,
    model: Model,
    gram: np.ndarray,
    input_: dict,
    holdout_bound: str,
    files: list,
    checks: list,
    metrics: dict,
    similar: dict | None,
) -> bytes:
    coverage = {"from": rfc3339(config.start), "to": rfc3339(config.to), "stored_to": rfc3339(config.stored_to)}
    body = {
        "schema_version": SCHEMA_VERSION,
        "run_id": config.run_id,
        "created_at": rfc3339(created_at),
        "dimension": model.settings.rank,
        "parameters": asdict(model.settings),
        "defaults": model.basis and asdict(model.basis),
        "libraries": {m.__name__: m.__version__ for m in LIBRARIES},
        "interest": config.interest_fields(),
        "gram": gram.ravel().tolist(),
        "coverage": coverage,
        "input": input_,
        "holdout_bound": holdout_bound,
        "files": [vars(f) for f in files],
        "checks": [c.fields() for c in checks],
        "metrics": metrics,
        "similar": similar,
    }
    return json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
