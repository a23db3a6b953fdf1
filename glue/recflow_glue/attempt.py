"""The state of one attempt at a run."""

from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import SparkSession

from recflow_glue.arguments import Config
from recflow_glue.checks import Check
from recflow_glue.output import Destination
from recflow_glue.progress import Progress
from recflow_glue.storage import Bucket, Scratch


@dataclass
class Attempt:
    """The objects that the stages of a run share."""

    spark: SparkSession
    config: Config
    bucket: Bucket
    scratch: Scratch
    progress: Progress
    id: str
    read_at: datetime
    checks: list[Check] = field(default_factory=list)

    @property
    def destination(self) -> Destination:
        """Return where this attempt writes its result."""
        return Destination(self.bucket, self.config.prefix, self.id)
