"""How many client processes of a run work at once: what each needs, what the machine has."""

from __future__ import annotations

from functools import cache

from harness.boards.challenge import load_challenge
from harness.boards.protocol import Lengths
from harness.boards.registry import protocol_of
from harness.document.units import MIB
from harness.machine.card_layout import CardLayout, card_layout
from harness.machine.machine import Machine
from harness.spec import RunSpec

FLOAT_BYTES = 4

PROCESS_BYTES = 450 * MIB
"""Resident size of a process that has imported torch, transformers and peft; about what a CUDA
context takes on its card."""

MEMORY_SHARE = 0.6
"""Share of the memory that client processes may fill by forecast."""

LOSS_COPIES = 3
"""How often the logits of a step's targets are in memory at once: the logits, their logarithms and
a gradient. Source: torch 2.13, 1,500 targets over 65,536 tokens: 3.03 times as much."""
PADDED_COPIES = 2
"""The same of a padded batch, whose logits are made at every place: themselves and their gradient.
"""


@cache
def lengths_of(board_id: str) -> Lengths:
    """Return how long the texts of a board are."""
    return protocol_of(load_challenge(board_id)).lengths


def example_tokens(spec: RunSpec) -> int:
    """Return the mean length of an example, as far as the recipe lets it be that long."""
    return min(lengths_of(spec.challenge.id).example, spec.train.seq_length)


def client_memory_bytes(spec: RunSpec, adapter_parameters: int) -> int:
    """Estimate the memory of one training process: base, adapter, optimizer, activations, logits.

    A CPU keeps the dequantised base in float32, 4 bytes a weight. A GPU keeps the linear layers as
    they are quantized, and everything else in float32; what it dequantises besides, it does in a
    part of the memory that is left.
    """
    model, train = spec.model, spec.train
    cuda = spec.compute.device == "cuda"
    linears = model.linear_parameters()
    rest = FLOAT_BYTES * (model.parameters() - linears)
    base = round(linears * (_weight_bytes(spec) if cuda else FLOAT_BYTES)) + rest
    optimizer = 2 if "8bit" in train.optimizer else 8
    adapter = adapter_parameters * (2 * FLOAT_BYTES + optimizer)
    tokens = train.batch_size * example_tokens(spec)
    per_token = model.layers * (12 * model.hidden + 6 * model.intermediate)
    activations = tokens * per_token * (2 if cuda else FLOAT_BYTES)
    return PROCESS_BYTES + base + adapter + activations + _logits_bytes(spec, tokens)


def _logits_bytes(spec: RunSpec, tokens: int) -> int:
    """Estimate what the loss of a batch of `tokens` takes, in float32."""
    answer = min(lengths_of(spec.challenge.id).answer, example_tokens(spec))
    rows = LOSS_COPIES * spec.train.batch_size * answer
    if spec.train.exact_peft or spec.model.own_attention:
        rows += PADDED_COPIES * tokens
    return FLOAT_BYTES * rows * spec.model.vocab


def _weight_bytes(spec: RunSpec) -> float:
    """Bytes of a weight of a linear layer on a GPU; 4 bits have a float32 scale for 64 weights."""
    full = 4.0 if spec.model.dtype == "float32" else 2.0
    return {"fp4": 0.5625, "nf4": 0.5625, "int8": 1.0, "none": full}[spec.model.quantization]


def client_processes(spec: RunSpec, clients: int, adapter_parameters: int, machine: Machine) -> int:
    """Return how many client processes this machine carries, at least one.

    As many as sampled clients, as cores for their threads, and as fit by forecast in `MEMORY_SHARE`
    of the memory: the machine's, or what is free on each of its cards. A smoke run has one: it
    promises to take 4 GiB in all.

    Args:
        spec: the run.
        clients: sampled in a round.
        adapter_parameters: trained values.
        machine: this machine.
    """
    layout = cards_of(spec, clients, adapter_parameters, machine)
    if layout is not None:
        return layout.processes
    if spec.smoke:
        return 1
    fitting = int(
        MEMORY_SHARE * machine.memory_bytes // client_memory_bytes(spec, adapter_parameters)
    )
    return max(1, min(clients, machine.cores // spec.compute.threads, fitting))


def cards_of(
    spec: RunSpec, clients: int, adapter_parameters: int, machine: Machine
) -> CardLayout | None:
    """Return the cards that a run uses and its processes on them; None on a CPU.

    Args:
        spec: the run.
        clients: sampled in a round.
        adapter_parameters: trained values.
        machine: this machine.
    """
    if spec.compute.device != "cuda":
        return None
    need = client_memory_bytes(spec, adapter_parameters)
    fitting = [int(MEMORY_SHARE * free // need) for free in machine.cards or (0,)]
    most = 1 if spec.smoke else min(clients, machine.cores // spec.compute.threads)
    return card_layout(fitting, max(1, most))
