"""Reads the reports of imported files: what `recflow import` warned about is repeated in the version's checks."""

import json
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from recflow_glue.checks import SAMPLES, Check, printable
from recflow_glue.storage import Bucket, Object

NEWEST = 200  # imports whose reports are read
THREADS = 16
MAX_BYTES = 1 << 20  # of a record


def check(bucket: Bucket) -> Check:
    """Check for imports with warnings, and for imports that did not complete. Only the newest are read. Records
    are not needed for a training: one that cannot be read is not counted."""
    objects = [o for o in bucket.objects("raw/imports/") if o.key.endswith(".json") and o.size <= MAX_BYTES]
    newest = sorted(objects, key=lambda o: o.modified)[-NEWEST:]
    with ThreadPoolExecutor(THREADS) as pool:
        records = [r for r in pool.map(lambda o: record(bucket, o), newest) if r]
    found = []
    for r in reversed(records):
        codes = [w.get("code", "") for w in (r.get("report") or {}).get("warnings") or []]
        if not r.get("complete") and r.get("rows"):
            codes.insert(0, "incomplete")
        if codes:
            found.append(f"{printable(str(r.get('file', '')))} ({', '.join(map(str, codes))})")
    if not found:
        return Check("imports", "warning", True, 0, f"none of {len(records)} imports has a warning")
    more = f" and {len(found) - SAMPLES} more" if len(found) > SAMPLES else ""
    message = f"{len(found)} of {len(records)} imports have warnings: {', '.join(found[:SAMPLES])}{more}; see recflow imports show"
    return Check("imports", "warning", False, len(found), message)


def record(bucket: Bucket, o: Object) -> dict | None:
    try:
        found = json.loads(bucket.get(o.key))
    except (ClientError, BotoCoreError, ValueError):
        return None
    return found if isinstance(found, dict) else None
