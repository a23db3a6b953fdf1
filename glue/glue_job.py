"""Entry point of the Glue job: arguments in, exit code out. docs/data.md has the formats."""

import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from recflow_glue import arguments, job


def last_words(kind, error, trace) -> None:
    """End stderr with one line that the local Glue endpoint takes as the run's
    ErrorMessage. AWS shows the exception's own text."""
    traceback.print_exception(kind, error, trace)
    text = " ".join(f"{kind.__name__}: {error}".split())
    print(f"RECFLOW_ERROR {text[:4000]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.excepthook = last_words
    job.run(arguments.parse(sys.argv[1:]))
