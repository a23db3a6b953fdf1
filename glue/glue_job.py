"""Entry point of the Glue job. docs/data.md describes the formats that it reads and writes."""

import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from recflow_glue import arguments, job


def report_error(kind, error, trace) -> None:
    """Print the traceback, then the error in one line at the end of stderr. The local
    Glue endpoint takes that line as the run's ErrorMessage; AWS takes the exception."""
    traceback.print_exception(kind, error, trace)
    text = " ".join(f"{kind.__name__}: {error}".split())
    print(f"RECFLOW_ERROR {text[:4000]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.excepthook = report_error
    job.run(arguments.parse(sys.argv[1:]))
