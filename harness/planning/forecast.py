"""What a run will send, need and take, from the spec alone: no weights, no network, no torch."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from pydantic import Field

from harness.boards.challenge import Challenge
from harness.boards.protocol import SMOKE_ROWS
from harness.boards.registry import protocol_of
from harness.codec.choice import Codec, Way
from harness.codec.sizes import encoded_bytes, goes
from harness.components import RoundPlan, Shapes
from harness.document import Document
from harness.document.units import MIB, how_many
from harness.machine.machine import Machine
from harness.planning.client_processes import (
    FLOAT_BYTES,
    cards_of,
    client_memory_bytes,
    client_processes,
    example_tokens,
    lengths_of,
)
from harness.recipe import TrainSpec
from harness.spec import RunSpec

HEADER_BYTES = 128
"""The .npy header that Flower sends before each tensor's data."""
TRAINING_SHARE = 0.6
"""Of a core's rate, that steps on a CPU reach. Source: 0.54 to 0.76 of what the core multiplied at,
SmolLM2-135M and 360M, batches of 4 to 32 examples, ranks 8 and 32 (docs/speed.md)."""
EVALUATION_SHARE = 0.75
"""The same of an evaluation, which computes nothing but forward passes. Source: SmolLM2-135M and
360M, 900 and 450 rows of general-nlp by both measures in 104 and 148 s, loading included, of two
cores that multiply at 159e9 operations a second each."""
GPU_FLOPS = 1.2e12
"""Sustained on a 16 GB workstation GPU, client set-up included. Source: the reference entry's
1924.52 s for 12 rounds x 5 clients x 8 steps x 16 examples of the 1.7B model."""
STEP_TOKENS = 107
"""What a step costs beside its tokens (norms of the adapter, optimizer), as tokens. Source: as
`TRAINING_SHARE`: 0.59 s of a step of SmolLM2-135M."""
SETUP_S = {"cpu": 8.0, "cuda": 30.0}
"""Of a federation: imports, Ray and Flower, and on a card its first kernels."""
LOADING_S = 2.5e-8
"""Of one weight of the base on a CPU: reading, quantizing, the first use. Source: a round of two
clients and two steps took 17.7 s with SmolLM2-135M, of which 6.4 are steps, and 34.4 s with 360M,
of which 17.2 are."""
GPU_EVALUATION_FLOPS = 20e12
GPU_LAYER_S = 2.9e-6
"""A token and layer cost on a card beside their operations: launches. Source: 9,967 medical rows of
SmolLM2-135M in 95 s on an H200."""
CORE_LAYER_S = 6e-5
"""Least that a written token takes of one core in each layer, and in three more that stand for the
rest of a pass: what a small model costs beside its operations. Source: 192 rows of finance by
random models of 0.4 million weights, 8 s with 3 layers and 22 s with 8, and 3,904 rows by one of 6
million in 300 s, on two cores; untrained ones, which write twice as much as a trained one."""
ALONE = 10
"""How many times as long that is where each row is computed alone, not many in a pass. Source: 3.3
ms of a core for a token by a StableLM of 2 layers."""
DRAWN_BYTES_PER_S = 5e9
"""How fast a CPU reads float32 weights that draw four completions at a time, by one thread. Source:
SmolLM2-135M, 2,010 steps in 230 s."""
MODEL_FILE_BYTES = 2
"""Of a weight in the hub's files, which are in bfloat16."""
ROW_BYTES = 1_700
"""Of an evaluation row in a run's folder, by both measures. Source: 10,935 rows of general-nlp."""
KEPT_ADAPTERS = 3
"""In a run's folder: the last one, and checkpoints of two rounds."""


class CommunicationForecast(Document):
    """Traffic of the whole run when nobody fails."""

    message_bytes: int
    """Of the whole adapter; a strategy may send less or more, see `RoundPlan`."""
    message_bytes_legacy: int
    clients_per_round: int
    messages: int
    """2 * clients per round * rounds: down and up."""
    total_bytes: int
    total_bytes_legacy: int
    total_mib: float
    """By the Message API's count (since 2025-09-17), in MiB, rounded to 2 decimals."""
    total_mib_legacy: float
    """By the legacy count, which published figures before that date use."""
    plain_bytes: int | None = Field(None, exclude_if=lambda size: size is None)
    """What the same run sends without its codec; None where it has none."""
    limit_mib: int


class AdapterForecast(Document):
    """The trainable weights."""

    parameters: int
    tensors: int
    bytes: int = Field(description="As float32, headers and names left out.")


class CostForecast(Document):
    """A rough estimate: expect a factor of two either way."""

    device: str
    training_s: float
    evaluation_s: float | None
    """None for programs that a GPU draws: nobody has measured it. For programs of a CPU the most
    that it takes: as if no completion ended."""
    download_bytes: int
    """Of the model, where it is not on the machine yet. The board's data come on top."""
    disk_bytes: int
    """Of the run's folder."""
    memory_bytes: int
    """Of all training processes together."""
    client_memory_bytes: int
    """Of one of them."""
    basis: str


class Forecast(Document):
    """Everything that `harness plan` says of a spec beyond its values."""

    adapter: AdapterForecast
    communication: CommunicationForecast
    estimate: CostForecast


def message_bytes(shapes: Shapes) -> int:
    """Bytes of one message by the Message API: sum of 4*numel + 128 + len(key) over tensors.

    Source: flwr `ArrayRecord.count_bytes`.
    """
    return message_bytes_legacy(shapes) + sum(len(name.encode()) for name in shapes)


def message_bytes_legacy(shapes: Shapes) -> int:
    """Bytes of one message as counted before 2025-09-17: without the tensor names."""
    return sum(FLOAT_BYTES * prod(shape) + HEADER_BYTES for shape in shapes.values())


def sent_bytes(shapes: Shapes, codec: Codec | None, way: Way) -> int:
    """Bytes of one message as it travels: encoded where the run's codec goes that way."""
    chosen = goes(codec, way)
    return message_bytes(shapes) if chosen is None else encoded_bytes(chosen, shapes)


def sent_bytes_legacy(shapes: Shapes, codec: Codec | None, way: Way) -> int:
    """Bytes of one message as it travels, by the count without names."""
    chosen = goes(codec, way)
    if chosen is None:
        return message_bytes_legacy(shapes)
    return encoded_bytes(chosen, shapes, names=False)


def total_messages(challenge: Challenge, train: TrainSpec) -> int:
    """Train messages of a run when nobody fails, both directions."""
    return 2 * challenge.clients_per_round(train.fraction) * train.rounds


def forecast(
    spec: RunSpec,
    challenge: Challenge,
    shapes: Shapes,
    machine: Machine,
    plans: list[RoundPlan],
) -> Forecast:
    """Return the forecast of `spec` on `machine`.

    Args:
        spec: the run.
        challenge: its rules.
        shapes: tensors of the adapter.
        machine: where it would run.
        plans: what each round moves.
    """
    parameters = sum(prod(shape) for shape in shapes.values())
    messages = total_messages(challenge, spec.train)
    clients = challenge.clients_per_round(spec.train.fraction)
    codec = spec.train.codec
    total = clients * _sum(sent_bytes, codec, plans)
    total_legacy = clients * _sum(sent_bytes_legacy, codec, plans)
    return Forecast(
        adapter=AdapterForecast(
            parameters=parameters, tensors=len(shapes), bytes=FLOAT_BYTES * parameters
        ),
        communication=CommunicationForecast(
            message_bytes=message_bytes(shapes),
            message_bytes_legacy=message_bytes_legacy(shapes),
            clients_per_round=clients,
            messages=messages,
            total_bytes=total,
            total_bytes_legacy=total_legacy,
            total_mib=round(total / MIB, 2),
            total_mib_legacy=round(total_legacy / MIB, 2),
            limit_mib=challenge.communication.limit_mib,
            plain_bytes=None if codec is None else clients * _sum(sent_bytes, None, plans),
        ),
        estimate=_estimate(spec, challenge, parameters, machine),
    )


def _sum(
    size: Callable[[Shapes, Codec | None, Way], int], codec: Codec | None, plans: list[RoundPlan]
) -> int:
    """Bytes down and up of one client that takes part in every round."""
    seen: dict[tuple[int, Way], int] = {}
    total = 0
    for plan in plans:
        both: tuple[tuple[Way, Shapes], ...] = (("down", plan.down), ("up", plan.up))
        for way, shapes in both:
            # By identity: most strategies hand out one plan for all rounds, and `plans` keeps it.
            if (id(shapes), way) not in seen:
                seen[id(shapes), way] = size(shapes, codec, way)
            total += seen[id(shapes), way]
    return total


def _estimate(
    spec: RunSpec, challenge: Challenge, adapter_parameters: int, machine: Machine
) -> CostForecast:
    """A frozen base costs 4 operations per weight and token: 2 forward, 2 back to the adapters.

    What examples of a batch share is computed once.
    """
    train = spec.train
    clients = challenge.clients_per_round(train.fraction)
    steps = train.rounds * clients * train.max_steps * train.gradient_accumulation_steps
    tokens = example_tokens(spec)
    shared = min(lengths_of(spec.challenge.id).shared, tokens) * (train.batch_size - 1)
    in_step = train.batch_size * tokens - shared + STEP_TOKENS
    work = 4.0 * spec.model.parameters() * steps * in_step
    cuda = spec.compute.device == "cuda"
    cores = min(machine.cores, clients * spec.compute.threads)
    layout = cards_of(spec, clients, adapter_parameters, machine)
    on_cards = GPU_FLOPS * len(layout.cards) if layout is not None else 0.0
    speed = on_cards or TRAINING_SHARE * machine.core_flops * cores
    setup_s = SETUP_S[spec.compute.device] + (not cuda) * LOADING_S * spec.model.parameters()
    processes = client_processes(spec, clients, adapter_parameters, machine)
    client_bytes = client_memory_bytes(spec, adapter_parameters)
    measured = machine.measured_core_flops
    each = "" if measured is None else f" of {measured / 1e9:.0f} GFLOP/s each"
    name = machine.gpu_name or "a 16 GB GPU" if cuda else f"{machine.cores} CPU cores{each}"
    if layout is not None and len(machine.cards) > 1:
        name = f"{name} (clients at once: {layout.text()})"
    # All replies of a round but one wait in files, beside those of the round before.
    adapters = KEPT_ADAPTERS + min(train.rounds, 2) * (clients - 1)
    return CostForecast(
        device=spec.compute.device,
        training_s=round(setup_s + work / speed, 1),
        evaluation_s=evaluation_s(spec, challenge, machine),
        download_bytes=MODEL_FILE_BYTES * spec.model.parameters(),
        disk_bytes=adapters * FLOAT_BYTES * adapter_parameters + ROW_BYTES * _rows(spec, challenge),
        memory_bytes=processes * client_bytes,
        client_memory_bytes=client_bytes,
        basis=f"{name}, {tokens} tokens an example,"
        f" {how_many(processes, 'process', plural='processes')}",
    )


def _rows(spec: RunSpec, challenge: Challenge) -> int:
    """Return how many rows are evaluated, of all sets."""
    sets = [SMOKE_ROWS if spec.smoke else item.rows for item in challenge.evaluation]
    return sum(min(rows, spec.evaluation_rows or rows) for rows in sets)


def evaluation_s(spec: RunSpec, challenge: Challenge, machine: Machine) -> float | None:
    """Return how long an evaluation takes, in seconds; None where nobody knows.

    Two operations a weight and token, and on a CPU no less than a pass takes for a written token;
    or, of programs, every weight once a step of drawing.
    """
    model, cuda = spec.model, spec.compute.device == "cuda"
    protocol = protocol_of(challenge)
    lengths = protocol.lengths
    written = 0 if spec.train.prompt.append_eos else lengths.written
    # A model that attends by itself computes its row again, but for logits, for each written token.
    again = (lengths.row + written // 2) * model.linear_parameters() / model.parameters()
    rows = _rows(spec, challenge)
    work, least_s = (lengths.row + written * (1 + again * model.own_attention)) * rows, 0.0
    programs = protocol.decoding.sampling is not None
    if programs and cuda:
        return None
    if programs:
        each = FLOAT_BYTES * model.parameters() / DRAWN_BYTES_PER_S
    elif cuda:
        each = 2.0 * model.parameters() / GPU_EVALUATION_FLOPS + model.layers * GPU_LAYER_S
    else:
        each = 2.0 * model.parameters() / (EVALUATION_SHARE * machine.core_flops * machine.cores)
        layer_s = CORE_LAYER_S * (ALONE if model.own_attention else 1)
        least_s = rows * written * layer_s * (model.layers + 3) / machine.cores
    return round(max(work * each, least_s) + (0.0 if cuda else LOADING_S * model.parameters()), 1)
