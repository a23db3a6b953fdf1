"""The settings of a training."""

import math
from dataclasses import dataclass

AUTO, ALS, MLLIB = "auto", "als", "mllib"
TRAINERS = (AUTO, ALS, MLLIB)
MAX_RANK = 1024
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class Requested:
    """The settings as they were requested. None is the default of the trainer."""

    trainer: str = AUTO
    rank: int | None = None
    iterations: int | None = None
    alpha: float | None = None
    regularization: float | None = None
    regularization_exponent: float | None = None  # als only
    seed: int = 42

    def validate(self) -> None:
        if self.trainer not in TRAINERS:
            raise ValueError(f"trainer is {self.trainer!r}; use {', '.join(TRAINERS)}")
        if self.rank is not None and not 1 <= self.rank <= MAX_RANK:
            raise ValueError(f"rank is {self.rank}; use 1 to {MAX_RANK}")
        if self.iterations is not None and not 1 <= self.iterations <= MAX_ITERATIONS:
            raise ValueError(f"iterations is {self.iterations}; use 1 to {MAX_ITERATIONS}")
        for name in ("alpha", "regularization"):
            x = getattr(self, name)
            if x is not None and not (math.isfinite(x) and x > 0):
                raise ValueError(f"{name} is {x}; it must be finite and positive")
        x = self.regularization_exponent
        if x is not None and not 0 <= x <= 2:
            raise ValueError(f"regularization_exponent is {x}; use 0 to 2")
        if x is not None and self.trainer != ALS:
            raise ValueError(
                f"regularization_exponent is a setting of the trainer {ALS}, not of {self.trainer}; set both"
            )

    def given(self) -> set[str]:
        """Return the names of the settings that were requested, without trainer and seed."""
        names = ("rank", "iterations", "alpha", "regularization", "regularization_exponent")
        return {n for n in names if getattr(self, n) is not None}


@dataclass(frozen=True)
class Settings:
    """All settings of a training. With n positive weights of a user, the fold-in's regularization is
    λ·(n / mean_items)^ν."""

    trainer: str
    rank: int
    iterations: int
    alpha: float
    regularization: float  # λ
    regularization_exponent: float  # ν
    mean_items: float  # mean n of the trained users; 1 for mllib, whose λ is not relative to it
    seed: int
