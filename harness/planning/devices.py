"""The choice of a device and of its threads, and when a CPU is no answer."""

from __future__ import annotations

from harness.document.units import GIB, how_many
from harness.errors import UsageError
from harness.machine.machine import Machine
from harness.planning.forecast import Forecast
from harness.spec import Compute, RunSpec

SMOKE_THREADS = 4
"""Most threads of a smoke run, whose one client process must fit in a laptop's memory."""

GPU_PARAMETERS = 1_000_000_000
"""A model of this size or more trains on a CPU only when asked to: days instead of minutes."""

HOPELESS = 4
"""Times a machine's memory that a forecast of a training must be above to refuse it: the forecast
is within a factor of two, and counts what the examples of a batch share once for each."""


def choose_compute(
    asked: str, threads: int | None, smoke: bool, machine: Machine, clients: int
) -> Compute:
    """Return the device and the torch threads of one client.

    Args:
        asked: auto, cpu or cuda; auto is cuda where there is a GPU.
        threads: threads asked for, from 1, or None: the cores shared by the clients of a round.
        smoke: whether one client process has the machine to itself.
        machine: this machine.
        clients: how many clients a round has.

    Raises:
        UsageError: the device is another word, is a GPU that is not there, or there are fewer cores
            than threads asked for.
    """
    if asked not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {asked!r}: expected auto, cpu or cuda")
    refuse_absent_gpu(asked, machine)
    auto = "cuda" if machine.gpu_name else "cpu"
    # One thread a client where there are as many clients as cores: two processes of one thread do
    # 1.9 times the steps of one, one process of two threads 1.4 times. Ten clients on 16 cores get
    # one thread each too; the number is part of the spec, so it must not follow who is free.
    shared = min(machine.cores, SMOKE_THREADS) if smoke else machine.cores // clients
    count = threads or max(1, shared)
    if count > machine.cores:
        raise UsageError(
            f"--threads {count}: this machine has {how_many(machine.cores, 'core')}; give at most"
            " that"
        )
    return Compute.model_validate({"device": auto if asked == "auto" else asked, "threads": count})


def refuse_absent_gpu(device: str, machine: Machine) -> None:
    """Check that a device is there.

    Args:
        device: cpu or cuda.
        machine: this machine.

    Raises:
        UsageError: a GPU is asked for, or recorded, and none is there.
    """
    if device == "cuda" and machine.gpu_name is None:
        raise UsageError("--device cuda: no CUDA GPU was found (nvidia-smi lists none); use cpu")


def refuse_hopeless_device(asked: str, spec: RunSpec, expected: Forecast) -> None:
    """Stop a large model from training on a CPU that nobody asked for.

    Args:
        asked: auto, cpu or cuda, as on the command line.
        spec: the run, its device already chosen.
        expected: the forecast, for the message.

    Raises:
        UsageError: there is no GPU, the model has `GPU_PARAMETERS` or more, and no `--device` was
            given.
    """
    model = spec.model
    if asked == "auto" and spec.compute.device == "cpu" and model.parameters() >= GPU_PARAMETERS:
        hours = how_many(max(1, round(expected.estimate.training_s / 3600)), "hour")
        raise UsageError(
            f"{model.name} has {model.parameters() / 1e9:.1f} billion parameters and no CUDA GPU"
            " was found; it wants one with 8 GiB or more. On this CPU the training is forecast to"
            f" take {hours} and {expected.estimate.memory_bytes / GIB:.0f} GiB:"
            " add --device cpu to run it all the same, or --smoke to try the pipeline"
        )


def memory_doubt(expected: Forecast, device: str, machine: Machine) -> str | None:
    """Return what to say of a training that may be too large; None of one that fits.

    Args:
        expected: the forecast.
        device: cpu or cuda.
        machine: where the training will be; of its cards one alone holds a client.
    """
    who, needed, there = _memory(expected, device, machine)
    said = (
        f"{who} is forecast to take {needed / GIB:,.1f} GiB of memory, {there / GIB:,.1f} GiB are"
    )
    return f"{said} there" if needed > there else None


def refuse_hopeless_memory(expected: Forecast, device: str, machine: Machine) -> None:
    """Stop a training that cannot fit in a machine's memory, before anything is fetched.

    Args:
        expected: the forecast.
        device: cpu or cuda.
        machine: where the training will be.

    Raises:
        UsageError: it is forecast to take more than `HOPELESS` times the memory that is there.
    """
    said, needed, there = _memory(expected, device, machine)
    if needed > HOPELESS * there:
        raise UsageError(f"{said}: set a smaller batch_size, seq_length, rank or model")


def _memory(expected: Forecast, device: str, machine: Machine) -> tuple[str, int, int]:
    """Return what is said of a memory, the bytes that are to fit into it, and those it has."""
    cost = expected.estimate
    who, needed, there = "the training", cost.memory_bytes, machine.memory_bytes
    if device == "cuda":
        who, needed, there = "a client", cost.client_memory_bytes, max(machine.cards, default=0)
    said = f"{who} is forecast to take {needed / GIB:,.1f} GiB of memory"
    return f"{said}, {there / GIB:,.1f} GiB are there", needed, there
