"""The peak memory and the time of the trainer als, compared with its memory formula.

    python bench/glue/memory.py                     100 million generated pairs, rank 64
    python bench/glue/memory.py --pairs 10000000    a smaller matrix

Writes the files that the job's Spark stages would write into a temporary folder, 1.3 GB for 100 million pairs, and
trains on them in a process of its own, as the job does, without Spark. The formula is train.Size.memory: it leaves out
the process itself, its libraries and the compiler, whose memory on one pair is printed and subtracted.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "glue")]

CHUNK = 10_000_000  # pairs of one file
MIB = 1 << 20


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pairs", type=int, default=100_000_000)
    p.add_argument("--users", type=int, default=1_000_000)
    p.add_argument("--items", type=int, default=200_000)
    p.add_argument("--rank", type=int, default=64)
    p.add_argument("--iterations", type=int, default=2)
    p.add_argument("--measure", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.measure:
        print(json.dumps(measure(a)))
        return
    folder = Path(tempfile.mkdtemp(prefix="recflow-bench-"))
    try:
        generate(a, folder)
        found = json.loads(subprocess.run([sys.executable, __file__, *sys.argv[1:], "--measure", str(folder)],
                                          stdout=subprocess.PIPE, text=True, check=True).stdout)  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    used = found["peak"] - found["empty"]
    print(f"matrix    {found['pairs']:,} pairs, {a.users:,} users, {a.items:,} items, rank {a.rank}")
    print(f"process   {found['empty'] / MIB:8,.0f} MiB before, with the compiled loops")
    print(
        f"peak      {used / MIB:8,.0f} MiB more; formula {found['formula'] / MIB:,.0f} MiB, ratio {used / found['formula']:.2f}"
    )
    print(f"time      {found['read']:.1f} s to read, {found['fit']:.1f} s to fit with {a.iterations} iterations")


def generate(a: argparse.Namespace, folder: Path) -> None:
    """Write distinct pairs of popular items and heavy users: each user has items at random distances."""
    rng = np.random.default_rng(7)
    write(
        folder / "users_numbered",
        0,
        {"user_id": pa.array([f"u{n:08}" for n in range(a.users)]), "row": np.arange(a.users)},
    )
    write(
        folder / "items_numbered",
        0,
        {"item_id": pa.array([f"i{n:08}" for n in range(a.items)]), "row": np.arange(a.items)},
    )
    counts = np.minimum(a.items // 4, 1 + rng.pareto(1.5, a.users) * a.pairs / a.users / 2).astype(np.int64)
    counts = np.maximum(1, counts * a.pairs // counts.sum())
    for n, users in enumerate(np.array_split(np.arange(a.users), max(1, a.pairs // CHUNK))):
        user = np.repeat(users, counts[users])
        item = (a.items * rng.random(len(user)) ** 3).astype(np.int64)
        key = np.unique(user * a.items + item)
        columns = {"user": (key // a.items).astype(np.int32), "item": (key % a.items).astype(np.int32)}
        write(folder / "pairs", n, columns | {"weight": rng.uniform(0.1, 5, len(key)).astype(np.float32)})


def write(folder: Path, n: int, columns: dict) -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"part-{n}.parquet")


def measure(a: argparse.Namespace) -> dict:
    from recflow_glue import als, defaults, session, train
    from recflow_glue.settings import Requested
    from recflow_glue.storage import Scratch

    train.compile_ahead()
    empty = peak()
    scratch = Scratch.__new__(Scratch)
    scratch.folder = Path(a.measure)
    t = time.monotonic()
    m = train.read_matrix(scratch, train.read_ids(scratch))
    read = time.monotonic() - t
    t = time.monotonic()
    basis = defaults.measure(m.by_user, m.by_item, a.rank, count=False, seed=42, threads=session.cores())
    settings = defaults.complete(Requested(rank=a.rank, iterations=a.iterations), basis)
    als.fit(m.by_user, m.by_item, settings, session.cores())
    pairs = int(m.by_user.starts[-1])
    formula = train.Size(a.users, a.items, pairs).memory(a.rank)
    return {
        "empty": empty,
        "peak": peak(),
        "formula": formula,
        "read": read,
        "fit": time.monotonic() - t,
        "pairs": pairs,
    }


def peak() -> int:
    """Return the largest resident memory of this process so far, in bytes. On Linux only: ru_maxrss would include
    the memory of the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
