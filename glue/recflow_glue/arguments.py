"""Parses and validates the arguments of the job, which StartJobRun passes."""

import argparse
import json
import math
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from recflow_glue.settings import Requested

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DEFAULT_WEIGHTS = {"view": 1.0, "click": 1.0, "add_to_cart": 3.0, "purchase": 5.0, "rating": 1.0, "impression": 0.0}
IGNORE, LOG, VALUE = VALUE_USES = ("ignore", "log", "value")
MAX_INTEREST = 1_000_000  # of a weight, and of the part of a value that counts
UNFOLDED, FOLDED = "İΣ_- ", "iσ"  # for str.translate and Spark's: lower() would make two letters of İ
FOLD = str.maketrans(UNFOLDED[:2], FOLDED, UNFOLDED[2:])
TRAINING = {
    "trainer": str,
    "rank": int,
    "iterations": int,
    "alpha": float,
    "regularization": float,
    "regularization_exponent": float,
    "seed": int,
}


@dataclass(frozen=True)
class Interest:
    """The interest weights. The fields are those of recsys.Interest in Go."""

    weights: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    rating_threshold: float = 4.0
    half_life_seconds: float = 90 * 86_400.0  # 0: no decay
    floor: float = 0.01
    value_use: dict[str, str] = field(default_factory=dict)  # IGNORE, LOG or VALUE by event type; absent: IGNORE

    def validate(self) -> None:
        """Raise ValueError for what Spark and Go could weigh differently. The API has checked the rest."""
        names, used = ([fold_type(t) for t in types] for types in (self.weights, self.value_use))
        for t, w in self.weights.items():
            if not abs(w) <= MAX_INTEREST:
                raise ValueError(f"interest: weight of {t!r} is {w}; use -{MAX_INTEREST} to {MAX_INTEREST}")
            if names.count(fold_type(t)) > 1:
                raise ValueError(
                    f"interest: {t!r} is another name of an event type that has a weight; keep one of them"
                )
        for t, use in self.value_use.items():
            if use not in VALUE_USES:
                raise ValueError(f"interest: value_use of {t!r} is {use!r}; use {', '.join(VALUE_USES)}")
            if used.count(fold_type(t)) > 1:
                raise ValueError(f"interest: value_use names the type {t!r} more than once; keep one of them")
        for name in ("half_life_seconds", "floor"):
            x = getattr(self, name)
            if not math.isfinite(x) or x < 0:
                raise ValueError(f"interest: {name} is {x}; it must be finite and not negative")
        if math.isnan(self.rating_threshold):
            raise ValueError("interest: rating_threshold is not a number")

    def folded_weights(self) -> dict[str, float]:
        """Return the weights other than 0 by fold_type of the event type."""
        return {fold_type(t): w for t, w in sorted(self.weights.items()) if w != 0}

    def folded_uses(self) -> dict[str, str]:
        """Return the uses of the value other than IGNORE by fold_type of the event type."""
        return {fold_type(t): use for t, use in sorted(self.value_use.items()) if use != IGNORE}


def fold_type(name: str) -> str:
    """Return the form in which the names of event types are compared: recsys.SameType in Go."""
    return name.translate(FOLD).lower()


@dataclass(frozen=True)
class Minimum:
    """The smallest input that a version is trained on."""

    users: int = 10
    items: int = 10
    events: int = 50


@dataclass(frozen=True)
class Baseline:
    """What was compared before: streamed events that it covers are not compared again. The
    fields are those of recsys.Baseline in Go."""

    version: int = 0  # 0: no version
    to: datetime | None = None  # exclusive
    stored_to: datetime | None = None  # exclusive; None: no event is covered


@dataclass(frozen=True)
class Config:
    """The configuration of one run. All times are UTC."""

    bucket: str
    run_id: str
    start: datetime | None  # inclusive; None: no lower bound
    to: datetime  # exclusive
    stored_to: datetime  # exclusive
    training: Requested = field(default_factory=Requested)
    interest: Interest = field(default_factory=Interest)
    minimum: Minimum = field(default_factory=Minimum)
    previous_manifest: str | None = None
    baseline: Baseline = field(default_factory=Baseline)
    late_wait: float = 0.0  # seconds to wait for streamed events that have not arrived
    expected_streamed: int = 0  # covered streamed events that the database has and the baseline does not cover
    serving_memory: int = 0  # bytes for the items of a version in the processes that serve lists; 0: unknown

    @property
    def prefix(self) -> str:
        return f"embeddings/run={self.run_id}/"

    def validate(self) -> None:
        if not RUN_ID.fullmatch(self.run_id):
            raise ValueError(f"run_id {self.run_id!r}: use 1 to 100 letters, digits, dots, dashes and underscores")
        if self.start is not None and self.start >= self.to:
            raise ValueError(f"from {self.start.isoformat()} is not before to {self.to.isoformat()}")
        self.training.validate()
        self.interest.validate()

    def interest_fields(self) -> dict:
        """Return the manifest's `interest`."""
        return asdict(self.interest)


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time into UTC, truncated to microseconds, the precision of Spark."""
    t = datetime.fromisoformat(text)
    if t.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; use RFC 3339, for example 2017-12-01T00:00:00Z")
    return t.astimezone(UTC)


def parse_bound(text: str) -> datetime | None:
    """Parse an optional bound. An empty text and Go's zero time both mean that there is none."""
    if not text or text.startswith("0001-01-01"):
        return None
    return parse_time(text)


def rfc3339(t: datetime | None) -> str:
    """Format a UTC time with microseconds. None is Go's zero time."""
    if t is None:
        return "0001-01-01T00:00:00Z"
    return t.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_interest(text: str) -> Interest:
    given = json.loads(text)
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError("interest must be a JSON object")
    known = {k: v for k, v in given.items() if k in Interest.__dataclass_fields__ and v is not None}
    if "weights" in known:
        known["weights"] = {str(t): float(w) for t, w in known["weights"].items()}
    return Interest(**{k: v if k in ("weights", "value_use") else float(v) for k, v in known.items()})


def parse(argv: list[str]) -> Config:
    """Parse the job's arguments. Arguments that Glue adds (--JOB_NAME, --TempDir, …) are ignored."""
    p = argparse.ArgumentParser(prog="glue_job.py", allow_abbrev=False)
    p.add_argument("--bucket", required=True)
    p.add_argument("--run_id", required=True)
    p.add_argument("--from", dest="start", type=parse_bound, default=None)
    p.add_argument("--to", type=parse_time, required=True)
    p.add_argument("--stored_to", type=parse_time, required=True)
    for name, kind in TRAINING.items():
        p.add_argument(f"--{name}", type=kind, default=getattr(Requested, name))
    p.add_argument("--interest", type=parse_interest, default=Interest())
    p.add_argument("--previous_manifest", default=None)
    p.add_argument("--serving_memory", type=int, default=0)
    p.add_argument("--baseline_version", type=int, default=0)
    p.add_argument("--baseline_to", type=parse_bound, default=None)
    p.add_argument("--baseline_stored_to", type=parse_bound, default=None)
    p.add_argument("--expected_streamed", type=int, default=0)
    p.add_argument("--late_wait", type=float, default=0.0)
    for name in ("users", "items", "events"):
        p.add_argument(f"--minimum_{name}", type=int, default=getattr(Minimum, name))
    a, _ = p.parse_known_args(argv)
    given = vars(a)
    minimum = Minimum(**{n: given.pop(f"minimum_{n}") for n in ("users", "items", "events")})
    given["baseline"] = Baseline(**{n: given.pop(f"baseline_{n}") for n in Baseline.__dataclass_fields__})
    given["previous_manifest"] = given["previous_manifest"] or None
    training = Requested(**{n: given.pop(n) for n in TRAINING})
    config = Config(**given, training=training, minimum=minimum)
    config.validate()
    return config
