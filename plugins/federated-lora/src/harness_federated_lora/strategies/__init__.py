"""Federation strategies, one a file."""

from harness_federated_lora.strategies.fedex_lora import FEDEX_LORA
from harness_federated_lora.strategies.fedsvd import FEDSVD
from harness_federated_lora.strategies.hetlora import HETLORA
from harness_federated_lora.strategies.lora_fair import LORA_FAIR
from harness_federated_lora.strategies.rebased import REBASED

STRATEGIES = (FEDEX_LORA, FEDSVD, LORA_FAIR, HETLORA, REBASED)
