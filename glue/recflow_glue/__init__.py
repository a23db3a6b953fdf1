"""The training job of recflow: raw events in, embeddings and a manifest out.

Each module holds one concern and is a set of small functions from DataFrame
to DataFrame; job.py is the table of contents. Formats are in docs/data.md.
"""

import os

# As in Spark's Python workers: the matrices are small, and BLAS threads that wait
# for each other cost seven times the work (docs/decisions/0005). Before numpy is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
