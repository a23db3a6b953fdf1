import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "recflow_glue"
COMPILE = """
import json
from recflow_glue import als, train
train.compile_ahead()
print(json.dumps([sum(als._solve.stats.cache_hits.values()), len(als._solve.signatures)]))
"""


def compile_in(path: Path) -> list[int]:
    """Compile the loops of the package under path in a new process. Returns how many forms of the solver
    were cached, and how many there are."""
    env = os.environ | {"PYTHONPATH": str(path)}
    return json.loads(
        subprocess.run([sys.executable, "-P", "-c", COMPILE], env=env, stdout=subprocess.PIPE, check=True).stdout
    )


def it_compiles_once_on_one_machine(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "recflow_glue", ignore=shutil.ignore_patterns("__pycache__"))
    assert [compile_in(tmp_path) for _ in range(2)] == [[0, 2], [2, 2]]


def it_compiles_without_a_cache_from_the_zip_of_glue(tmp_path):
    with zipfile.ZipFile(tmp_path / "recflow.zip", "w") as z:
        for file in PACKAGE.glob("*.py"):
            z.write(file, f"recflow_glue/{file.name}")
    assert compile_in(tmp_path / "recflow.zip") == [0, 2]
