"""Names of what messages carry: records, keys and kinds, the same for server and clients."""

from __future__ import annotations

ARRAYS_RECORD = "arrays"
"""ArrayRecord of a train message and its reply. Source: flwr `FedAvg(arrayrecord_key=...)`."""

CONFIG_RECORD = "config"
"""ConfigRecord that a strategy fills. Source: flwr `FedAvg(configrecord_key=...)`."""

KEPT_RECORD = "kept"
"""ArrayRecord of what a client keeps at home, where that travels with its messages."""

METRICS_RECORD = "metrics"
"""MetricRecord of a reply: `num-examples`, `train-loss`, `learning-rate`."""

EXAMPLES = "num-examples"
"""Weight of a client in an average. Source: flwr `FedAvg(weighted_by_key=...)`."""

LOSS = "train-loss"
LEARNING_RATE = "learning-rate"

HARNESS_RECORD = "harness"
"""ConfigRecord that only the harness writes and reads. A message's is its header: the job, the
round, limits and folders. A reply's says the partition, the device and peft's configuration."""

PEFT_CONFIG = "peft-config"
"""peft's configuration of the run's first adapter, as JSON: in the reply that brings the adapter,
and in the header of every train message."""

ERROR_RAISED = 600
"""Flower error code of a reply whose client raised; its reason is a `CarriedError`."""

TRAINED_INFLUENCE = "trained-influence"
"""What the harness's record of a train reply says besides; see `ClientRecord.trained_influence`."""

SWITCH = "HARNESS_LEND_ARRAYS"
"""Environment variable of a run's processes: `1` where all are on one machine, `STORE` in the
server where its clients are on the nodes of a Ray cluster. See `shared_memory`."""

STORE = "store"

QUERY_ROSTER = "query"
QUERY_INITIAL = "query.initial"
TRAIN = "train"

CODEC_LOSS = "codec-loss"
"""What the harness's record of an encoded train reply says besides; see `ClientRecord.codec_loss`.
"""
