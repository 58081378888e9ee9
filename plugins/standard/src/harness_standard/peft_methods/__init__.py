"""PEFT methods over the peft library, one family a file."""

from harness_standard.peft_methods.adalora import ADALORA
from harness_standard.peft_methods.frozen_a import FFA_LORA
from harness_standard.peft_methods.ia3 import IA3
from harness_standard.peft_methods.lora import DORA, LORA, RSLORA
from harness_standard.peft_methods.lycoris import LOHA, LOKR
from harness_standard.peft_methods.rebased import OLORA, PISSA
from harness_standard.peft_methods.vera import VERA

PEFT_METHODS = (
    LORA, DORA, RSLORA, FFA_LORA, VERA, IA3, LOHA, LOKR, ADALORA, PISSA, OLORA,
)  # fmt: skip
