"""Federation strategies, one family a file."""

from harness_standard.strategies.differential_privacy import DP_CLIENT_SIDE, DP_SERVER_SIDE
from harness_standard.strategies.fedavg import FEDAVG
from harness_standard.strategies.fedprox import FEDPROX
from harness_standard.strategies.flexlora import FLEXLORA
from harness_standard.strategies.flora import FLORA
from harness_standard.strategies.freezing import FEDSA_LORA, FFA_LORA, ROLORA
from harness_standard.strategies.qfedavg import QFEDAVG
from harness_standard.strategies.robust import FEDMEDIAN, FEDTRIMMEDAVG, KRUM, MULTIKRUM
from harness_standard.strategies.scaffold import SCAFFOLD
from harness_standard.strategies.server_optimizers import FEDADAGRAD, FEDADAM, FEDAVGM, FEDYOGI

STRATEGIES = (
    FEDAVG, FEDPROX, SCAFFOLD, FEDAVGM, FEDADAM, FEDYOGI, FEDADAGRAD, QFEDAVG,
    FEDMEDIAN, FEDTRIMMEDAVG, KRUM, MULTIKRUM, DP_SERVER_SIDE, DP_CLIENT_SIDE,
    FLEXLORA, FLORA, FFA_LORA, ROLORA, FEDSA_LORA,
)  # fmt: skip
