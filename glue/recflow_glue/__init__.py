"""The training job of recflow. It reads raw events and writes embeddings and a manifest.

job.py runs the stages in order. docs/data.md describes the formats.
"""

import os

# One BLAS thread, as in Spark's Python workers: with two, the small matrices take seven
# times the processor time (docs/decisions/0005). Set before numpy is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
