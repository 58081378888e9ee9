"""PEFT methods over the peft library, one family a file."""

from harness_standard.peft_methods.lora import DORA, LORA, RSLORA

PEFT_METHODS = (LORA, DORA, RSLORA)
