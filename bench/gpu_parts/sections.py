"""The sections of `bench/gpu.py` by name: each returns plain values for the JSON file."""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version

import torch
from committed import committed as committed
from evaluation_section import evaluation as evaluation
from memory_section import client as client
from memory_section import memory as memory
from step_sections import losses as losses
from step_sections import profile as profile
from step_sections import repeat as repeat
from step_sections import steps as steps
from step_sections import template as template
from subject import Subject
from timed import Results, per_call_s


def card(subject: Subject, results: Results) -> Results:
    """Say what computes here, and how fast a product and a copy are."""
    names = ("torch", "transformers", "peft", "bitsandbytes", "triton", "accelerate")
    found: Results = {"versions": {}, "device": "CPU"}
    for name in names:
        try:
            found["versions"][name] = version(name)
        except PackageNotFoundError:
            found["versions"][name] = "not installed"
    gpu = subject.device == "cuda"
    if gpu:
        properties = torch.cuda.get_device_properties(0)
        found["device"] = torch.cuda.get_device_name()
        found["memory_gib"] = round(properties.total_memory / 2**30, 1)
        found["free_gib"] = round(torch.cuda.mem_get_info()[0] / 2**30, 1)
        found["cuda"] = torch.version.cuda
    size = 8192 if gpu else 256
    for label, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        a, b = (torch.randn(size, size, device=subject.device, dtype=dtype) for _ in range(2))
        seconds = min(per_call_s(lambda a=a, b=b: a @ b, subject.device, 10 if gpu else 1))
        found[f"{label}_tflops"] = round(2 * size**3 / seconds / 1e12, 2)
    source = torch.randn(2**28 if gpu else 2**16, device=subject.device)
    target = torch.empty_like(source)
    seconds = min(per_call_s(lambda: target.copy_(source), subject.device, 5))
    found["copy_gb_per_s"] = round(2 * source.numel() * 4 / seconds / 1e9, 1)
    begin = time.perf_counter()
    found["model"] = f"{subject.model_spec.parameters():,} parameters, random"
    _ = subject.model_dir
    found["model_made_s"] = round(time.perf_counter() - begin, 1)
    return found
