"""What crosses process borders: the job by value, and the names of records and keys in messages."""

from __future__ import annotations

from harness.boards.challenge import Challenge
from harness.document import Document, digest_of
from harness.errors import PluginError
from harness.sources.assets import Assets
from harness.spec import RunSpec

ARRAYS = "arrays"
"""ArrayRecord of a train message and its reply. Source: flwr `FedAvg(arrayrecord_key=...)`."""

CONFIG = "config"
"""ConfigRecord that a strategy fills. Source: flwr `FedAvg(configrecord_key=...)`."""

METRICS = "metrics"
"""MetricRecord of a reply: `num-examples`, `train-loss`, `learning-rate`."""

EXAMPLES = "num-examples"
"""Weight of a client in an average. Source: flwr `FedAvg(weighted_by_key=...)`."""

LOSS = "train-loss"
LEARNING_RATE = "learning-rate"

FILES = "files"
"""ConfigRecord of an adapter's files: name -> bytes."""

HARNESS = "harness"
"""ConfigRecord that only the harness writes and reads: the job, the round, the limits, facts."""

ERROR_RAISED = 600
"""Flower error code of a reply whose client raised; `reason` is JSON: type, message, traceback."""

QUERY_ROSTER = "query"
QUERY_INITIAL = "query.initial"
QUERY_SAVE = "query.save"
TRAIN = "train"


LOAD_LIMIT_S = 900.0
"""Longest time for a client process to load the base model and the data. Apart from the limit of a
client's round, which is set by the user: loading happens once and depends on disks."""


class Job(Document):
    """Everything that a client needs to know, sent by value with every message."""

    spec: RunSpec
    challenge: Challenge
    assets: Assets

    def check(self) -> None:
        """Check that the parts belong together.

        Raises:
            PluginError: the challenge is not the one that the spec was resolved against.
        """
        found = digest_of(self.challenge)
        if found != self.spec.challenge.digest:
            raise PluginError(
                f"challenge {self.challenge.id} has digest {found[:12]}, the spec was resolved"
                f" against {self.spec.challenge.digest[:12]}; resolve the run again"
            )
