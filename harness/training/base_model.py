"""The frozen base model: quantized as the spec says, then kept ready for many steps.

On a CPU client processes share it: it is loaded by the process that they are forked from. Nobody
writes to its weights, so that all forks read the same memory. No plugin's code runs while it is
loaded so, and a model's own code neither.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from harness.components import ModelSpec
from harness.document import digest_of
from harness.errors import SourceError, UsageError
from harness.library_internals.bitsandbytes import load_bitsandbytes
from harness.processes.loading import loading
from harness.sources.tokenizer_files import refuse_pad_without_row
from harness.spec import RunSpec
from harness.training.determinism import be_deterministic
from harness.training.fast import attention
from harness.training.fast.linears import (
    dequantise,
    dequantise_at_use,
    dequantised_bytes,
    hold_linears_in,
)
from harness.training.fast.memory import free_memory_bytes

DEQUANTISED_SHARE = 0.25
"""Share of the free memory that a dequantised base may take: several client processes share it."""

LARGEST_PARAMETERS = 500_000_000
"""Of a model that is loaded before a client is asked for: 1.5 s for each 100 million of them, and
Ray waits no longer for its clients than `RAY_worker_register_timeout_seconds`. Larger ones are
loaded by a client that has been asked, whose limit is another."""

THREADS_LIMIT_S = 5.0
"""Longest wait for the threads of a loading to end, which takes some milliseconds."""

_shared: dict[tuple[str, str], Any] = {}
"""(digest of a run, folder of its model) -> its base model, until it is taken."""


def compute_dtype(model: ModelSpec, device: str) -> torch.dtype:
    """Return the type that a client computes in.

    The model's own on a GPU that has it. On a CPU always float32: some processors emulate
    bfloat16, and with one type for all of them a run can be repeated on another machine.
    """
    if device == "cpu" or model.dtype == "float32":
        return torch.float32
    # Emulated, as on cards before Ampere, bfloat16 is slower than float32.
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def load_tokenizer(model: ModelSpec, model_dir: str) -> Any:
    """Load the model's fast tokenizer.

    Args:
        model: says whether code in the folder may run.
        model_dir: folder with the tokenizer's files.

    Raises:
        SourceError: the folder has no tokenizer that transformers can load, or transformers gives
            it a pad token that the model has no row for.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model_dir, local_files_only=True, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(f"{model_dir}: no tokenizer can be loaded ({reason})") from None
    if tokenizer.pad_token_id is not None:
        # Qwen2's class adds one where the files name none.
        pad, place = str(tokenizer.pad_token), int(tokenizer.pad_token_id)
        refuse_pad_without_row(model, Path(model_dir), pad, place)
    return tokenizer


def load_base(model: ModelSpec, model_dir: str, device: str, packed: bool = True) -> Any:
    """Load and quantize the base model; all its weights are frozen.

    As the template does it: weights are read in the model's type, linear layers are quantized from
    that, and everything else is then held in float32. The order matters: a weight read in float32
    and quantized would fall on another side of a rounding than one that went through bfloat16.

    Args:
        model: quantization and types.
        model_dir: folder with safetensors and config.
        device: "cpu" or "cuda".
        packed: whether attention is the harness's, over packed batches, or the model's own.

    Returns:
        The transformers model; linear layers that are not quantized are in
        the type that they compute in.

    Raises:
        SourceError: the folder does not hold a model that transformers can load.
        UsageError: "cuda" without a GPU.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device cuda: torch {torch.__version__} finds no GPU here; install a torch that is"
            " built for CUDA and for this driver, or run with --device cpu"
        )
    disable_progress_bar()
    load_bitsandbytes()
    attention.register()
    dtype = compute_dtype(model, device)
    try:
        base = AutoModelForCausalLM.from_pretrained(
            model_dir,
            dtype=getattr(torch, model.dtype),
            quantization_config=_quantization(model, dtype),
            attn_implementation=attention.PACKED_ATTENTION if packed else None,
            device_map={"": device},
            local_files_only=True,
            trust_remote_code=model.trust_remote_code,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SourceError(f"{model_dir}: {model.hub_id} cannot be loaded ({reason})") from error
    for parameter in base.parameters():
        parameter.requires_grad = False
        # Norms, embeddings and, of a base that is not quantized, linear layers; quantized weights
        # are of integers. Source: peft `prepare_model_for_kbit_training`, as the template does.
        if parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()
    base.config.use_cache = False
    if model.quantization == "none":
        hold_linears_in(base, dtype)
    elif _keeps_dequantised(model, dtype, device):
        dequantise(base, dtype)
    elif model.quantization != "int8":
        dequantise_at_use(base, dtype)
    return base


def _keeps_dequantised(model: ModelSpec, dtype: torch.dtype, device: str) -> bool:
    if model.quantization == "int8":
        # On a GPU bitsandbytes multiplies in 8 bits, rounding the inputs too: dequantised weights
        # would give other numbers. On a CPU it dequantises itself, so nothing changes, and peft's
        # DoRA needs plain weights there.
        return device == "cpu"
    return dequantised_bytes(model, dtype) <= DEQUANTISED_SHARE * free_memory_bytes(device)


def _quantization(model: ModelSpec, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if model.quantization == "none":
        return None
    if model.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=model.quantization,
        bnb_4bit_compute_dtype=dtype,
    )


def packs(spec: RunSpec) -> bool:
    """Return whether a client trains on packed batches, by the harness's own attention.

    A model that attends by itself would not say that it passes over the packed batch's mask.
    """
    return not (spec.train.exact_peft or spec.model.own_attention)


def is_shared(model: ModelSpec) -> bool:
    """Return whether a model is loaded before its clients are forked."""
    return not model.trust_remote_code and model.parameters() <= LARGEST_PARAMETERS


def load_shared(spec: RunSpec, model_dir: str) -> None:
    """Load a run's base model for the forks of this process.

    What is wrong with it is said by the fork that is asked first and tries again.

    Args:
        spec: the run.
        model_dir: folder with safetensors and config.
    """

    def load() -> None:
        be_deterministic(spec.compute.threads)
        with loading(), suppress(Exception):
            _shared[digest_of(spec), model_dir] = _loaded(spec, model_dir)

    if is_shared(spec.model):
        # OpenMP's threads wait for the one that called them, and end with it. A fork of a process
        # that has some waits for ever for those that it lacks.
        be_deterministic(spec.compute.threads)  # torch has a thread from here on that does nothing
        before = _threads()
        thread = Thread(target=load)
        thread.start()
        thread.join()
        # Python's part of the thread has ended, not yet the machine's: of 42 forks at this moment
        # one waited for ever, maybe for a lock that the thread held.
        end = time.monotonic() + THREADS_LIMIT_S
        while _threads() - before and time.monotonic() < end:
            time.sleep(0.001)


def _threads() -> set[str]:
    """Return the threads of this process; none where the machine does not tell."""
    tasks = Path("/proc/self/task")
    return {item.name for item in tasks.iterdir()} if tasks.is_dir() else set()


def base_of(spec: RunSpec, model_dir: str) -> Any:
    """Return a run's base model, which is the caller's to change: the shared one, or another.

    Raises:
        SourceError: see `load_base`.
        UsageError: see `load_base`.
    """
    base = _shared.pop((digest_of(spec), model_dir), None)
    return _loaded(spec, model_dir) if base is None else base


def _loaded(spec: RunSpec, model_dir: str) -> Any:
    return load_base(spec.model, model_dir, spec.compute.device, packs(spec))
