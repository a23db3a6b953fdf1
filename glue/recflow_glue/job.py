"""Runs the stages of a training, from raw events to the manifest."""

import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from recflow_glue import checks, evaluate, manifest, matrix, prepare, results, session, similar, train
from recflow_glue.arguments import Config
from recflow_glue.attempt import Attempt
from recflow_glue.failure import error_to_report
from recflow_glue.foldin import FoldIn, gram
from recflow_glue.parallel import in_parallel
from recflow_glue.progress import Progress
from recflow_glue.storage import Bucket, Scratch


def run(config: Config) -> str:
    """Train, unless the run already has a manifest. Returns the key of the manifest."""
    bucket = Bucket(config.bucket)
    key = config.prefix + "manifest.json"
    if bucket.exists(key):
        print(f"run {config.run_id} is already complete: {key} exists", flush=True)
        return key
    threading.Thread(target=compile_ahead, daemon=True).start()
    spark = session.open_session(f"recflow {config.run_id}")
    name = uuid.uuid4().hex[:12]
    scratch = Scratch(bucket, f"{config.prefix}_scratch/{name}/", session.is_local())
    progress = Progress(spark.sparkContext, bucket, config.prefix + "_progress.json")
    r = Attempt(spark, config, bucket, scratch, progress, name, datetime.now(UTC))
    try:
        body = train_and_write(r)
        # The files stay if this raises: the manifest, which lists them, may have been written.
        if not bucket.put_if_absent(key, body):
            print(f"another attempt completed run {config.run_id}; discarding the result of attempt {r.id}", flush=True)
            discard(r)
    finally:
        progress.close()
        scratch.remove()
    return key


def compile_ahead() -> None:
    train.compile_ahead()
    similar.compile_ahead()


def train_and_write(r: Attempt) -> bytes:
    """Run all stages and return the manifest. Deletes the files of the attempt if it fails."""
    try:
        return attempt_run(r)
    except Exception as failure:
        discard(r)
        error = error_to_report(failure, r.spark, r.progress.name)
        if error is failure:
            raise
        raise error from failure
    except BaseException:
        discard(r)
        raise


def discard(r: Attempt) -> None:
    """Delete this attempt's files, best effort: no manifest lists them."""
    for kind in ("items", "users", "holdout"):
        try:
            r.bucket.delete_prefix(r.destination.folder(kind))
        except ClientError as e:
            print(f"cannot delete the {kind} files of attempt {r.id}: {e}", file=sys.stderr, flush=True)


def attempt_run(r: Attempt) -> bytes:
    """Run all stages and return the manifest, which the caller writes."""
    with r.progress.stage("read"):
        result = prepare.read(r)
    with r.progress.stage("validate"):
        found = prepare.validate(r, result)
    with r.progress.stage("prepare"):
        pairs = matrix.materialize(matrix.pairs(found.users, found.items), r.scratch, "pairs")
    with (
        r.progress.stage("train"),
        in_parallel(r.spark.sparkContext, lambda: results.prepare_holdout(r, found)) as future,
    ):
        model = train.run(r, found, pairs)
        r.checks.append(checks.objective(model.settings, found.previous.get("parameters")))
        held_out = future.result()
    with ThreadPoolExecutor(1) as thread:
        m, s = model.matrix, model.settings
        by_knn = thread.submit(lambda: evaluate.score_knn(held_out.users, m, session.cores()) if m else {})
        with r.progress.stage("write"):
            item_files, catalog = results.write_items(r, found, model, held_out.trained)
        with r.progress.stage("evaluate"):
            fold = FoldIn(gram(catalog.vectors), s.alpha, s.regularization, s.regularization_exponent, s.mean_items)
            neighbors = thread.submit(lambda: similar.choose(held_out.users, catalog, s.seed))
            scored = evaluate.score_all(r.spark.sparkContext, held_out.users, catalog, fold)
        with r.progress.stage("write"):
            user_files = results.write_users(r, found, model, scored)
        with r.progress.stage("evaluate"):
            metrics = evaluate.summarize(scored, by_knn.result(), len(catalog.ids), s.seed)
            chosen = neighbors.result()
    return manifest.build(
        r.config,
        created_at=datetime.now(UTC),
        model=model,
        gram=fold.gram,
        input_=found.summary,
        holdout_bound=found.bound,
        files=item_files + user_files + held_out.files,
        checks=r.checks,
        metrics=metrics,
        similar=chosen,
    )
