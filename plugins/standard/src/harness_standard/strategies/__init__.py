"""Federation strategies, one a file."""

from harness_standard.strategies.fedavg import FEDAVG

STRATEGIES = (FEDAVG,)
