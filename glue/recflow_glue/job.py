"""One training run from raw events to the manifest: the table of contents."""

import sys
import uuid
from datetime import UTC, datetime

import pyspark
from botocore.exceptions import ClientError

from recflow_glue import evaluate, manifest, prepare, results, session, train
from recflow_glue.arguments import Config
from recflow_glue.attempt import Attempt
from recflow_glue.beside import beside
from recflow_glue.failure import reported
from recflow_glue.foldin import FoldIn, gram
from recflow_glue.progress import Progress
from recflow_glue.storage import Bucket, Scratch

TRAINER = f"spark-mllib-als-implicit/{pyspark.__version__}"


def run(config: Config) -> str:
    """Train, unless the run already has its manifest. Returns the manifest's key."""
    bucket = Bucket(config.bucket)
    key = config.prefix + "manifest.json"
    if bucket.exists(key):
        print(f"run {config.run_id} already has its manifest; nothing to do", flush=True)
        return key
    spark = session.open_session(f"recflow {config.run_id}")
    name = uuid.uuid4().hex[:12]
    scratch = Scratch(bucket, f"{config.prefix}_scratch/{name}/", session.is_local())
    progress = Progress(spark.sparkContext, bucket, config.prefix + "_progress.json")
    r = Attempt(spark, config, bucket, scratch, progress, name, datetime.now(UTC))
    try:
        body = attempt_run(r)
        if not bucket.put_if_absent(key, body):
            print(f"run {config.run_id} was finished by another attempt; its result stands", flush=True)
            discard(r)
    except Exception as failure:
        discard(r)
        error = reported(failure, spark, progress.name)
        if error is failure:
            raise
        raise error from failure
    except BaseException:
        discard(r)
        raise
    finally:
        progress.close()
        scratch.remove()
    return key


def discard(r: Attempt) -> None:
    """Remove this attempt's files. Best effort: nothing refers to them."""
    for kind in ("items", "users", "holdout"):
        try:
            r.bucket.delete_prefix(r.place.folder(kind))
        except ClientError as e:
            print(f"leave the files of attempt {r.id}: {e}", file=sys.stderr, flush=True)


def attempt_run(r: Attempt) -> bytes:
    """Everything but the manifest's put; returns the manifest."""
    with r.progress.stage("read"):
        reading = prepare.read(r)
    with r.progress.stage("validate"):
        found = prepare.validate(r, reading)
    with r.progress.stage("prepare"):
        pairs = train.keep(train.pairs(found.users, found.items), r.scratch, "pairs")
    r.spark.sparkContext.setCheckpointDir(r.scratch.uri("checkpoints"))  # goes with the scratch space
    with (
        r.progress.stage("train", r.config.iterations),
        beside(r.spark.sparkContext, lambda: results.hold_out(r, found)) as side,
    ):
        model = train.fit(pairs, r.config)
        held_out = side.result()
    with r.progress.stage("write"):
        item_files, catalogue = results.write_items(r, found, model.itemFactors, held_out.trained)
    with r.progress.stage("evaluate"):
        fold = FoldIn(gram(catalogue.vectors), r.config.alpha, r.config.regularization)
        scored = evaluate.score_all(r.spark.sparkContext, held_out.users, catalogue, fold)
        metrics = evaluate.summarise(scored, len(catalogue.ids), r.config.seed)
    with r.progress.stage("write"):
        user_files = results.write_users(r, found, model.userFactors, scored)
    return manifest.build(
        r.config,
        created_at=datetime.now(UTC),
        trainer=TRAINER,
        gram=fold.gram,
        input_=found.summary,
        holdout_bound=found.bound,
        files=item_files + user_files + held_out.files,
        checks=r.checks,
        metrics=metrics,
    )
