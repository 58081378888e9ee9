"""Sections about an optimizer step: its time in each form, its losses, and its repetition."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

import torch
from forms import BENCH, FORMS, optimizer_of, plain_steps, set_form, stepper
from subject import Subject
from timed import Results, free, median_range, peak_gib, per_call_s, sync

from harness.training.fast.packing import pack


def template(subject: Subject, results: Results) -> Results:
    """Measure the plain loop: padded, checkpointed, all logits, 4-bit layers dequantised at use."""
    found: Results = {}
    for name, checkpointing in (("dora", True), ("dora_kept", False)):
        trainer = subject.trainer("dora")
        count = 2 if subject.small else 4
        batches = subject.batches(trainer, count)
        model, optimizer, steps = plain_steps(subject, trainer, checkpointing, batches)
        # The template does not ask for it, and it costs time.
        torch.use_deterministic_algorithms(False)
        peak = peak_gib(subject, steps)
        seconds = per_call_s(steps, subject.device, 1, 2)
        found[name] = {
            "step_s": median_range([value / count for value in seconds]),
            "peak_gib": peak,
        }
        del trainer, model, optimizer, steps
        free()
    return found


def steps(subject: Subject, results: Results) -> Results:
    """Measure the harness's optimizer step in each of its forms, DoRA and LoRA."""
    found: Results = {}
    count = 2 if subject.small else 12
    for method in ("dora", "lora"):
        forms = ("modules", "fused") if subject.small else FORMS[method]
        trainer = subject.trainer(method)
        batches = subject.batches(trainer, count)
        tokens = [pack(batch, "cpu").ids.shape[1] for batch in batches]
        kept: dict[str, Any] = {}
        one = found[method] = {"tokens": tokens, "forms": {}}
        for form in forms:
            try:
                set_form(trainer, form, kept)
                work = stepper(trainer, batches)
                begin = time.perf_counter()
                losses = work()
                sync(subject.device)
                first = time.perf_counter() - begin
                work()
                peak = peak_gib(subject, work)
                slow = subject.small or "graphs" not in form
                seconds = per_call_s(work, subject.device, 1, 2 if slow else 5)
                one["forms"][form] = {
                    "step_s": median_range([value / count for value in seconds]),
                    "first_pass_s": first,
                    "peak_gib": peak,
                    "losses": losses[:3],
                }
            except Exception as error:  # the other forms are to be measured all the same
                one["forms"][form] = {"failed": f"{type(error).__name__}: {error}"[:500]}
                free()
            print(method, form, json.dumps(one["forms"][form])[:300], flush=True)
        if not subject.small:
            one["paged_adamw_8bit"] = median_range(
                [
                    value / count
                    for value in per_call_s(
                        stepper(trainer, batches, "paged_adamw_8bit"), subject.device, 1
                    )
                ]
            )
        if method == "dora" and not subject.small:
            one["optimizers"] = _optimizers(subject, trainer, batches, kept)
        del trainer, kept
        free()
    return found


def _optimizers(subject: Subject, trainer: Any, batches: Sequence[Any], kept: Any) -> Results:
    """Measure an optimizer's step by itself."""
    found: Results = {}
    set_form(trainer, "fused", kept)
    for name in ("adamw_torch", "paged_adamw_8bit"):
        try:
            trained, made = optimizer_of(trainer, name)
            trainer.gradients.backward(batches[0], BENCH)
            found[name] = median_range(per_call_s(made.step, subject.device, 5))
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"[:300]
    trained, _ = optimizer_of(trainer)

    def clip() -> Any:
        return torch.nn.utils.clip_grad_norm_(trained, 1.0)

    found["clip"] = median_range(per_call_s(clip, subject.device, 5))
    from harness.training.fused.token_tree import token_tree

    found["token_tree"] = median_range(per_call_s(lambda: token_tree(batches[0]), "cpu", 5))
    return found


def profile(subject: Subject, results: Results) -> Results:
    """Say where a step's time goes, by torch's profiler."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    found: Results = {}
    activities = [ProfilerActivity.CPU]
    if subject.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    trainer = subject.trainer("dora")
    batches = subject.batches(trainer, 1)
    kept: dict[str, Any] = {}
    for form in ("fused",) if subject.small else ("fused compiled",):
        set_form(trainer, form, kept)
        work = stepper(trainer, batches)
        for _ in range(3):
            work()
        sync(subject.device)
        with record(activities=activities) as recorded:
            work()
            sync(subject.device)
        kernels: dict[str, list[float]] = {}
        for event in recorded.events():
            if str(event.device_type).endswith("CUDA"):
                kernels.setdefault(event.name[:90], []).append(event.device_time)
        total = sum(map(sum, kernels.values()))
        top = sorted(kernels.items(), key=lambda item: -sum(item[1]))[:90]
        found[form] = {
            "tokens": pack(batches[0], "cpu").ids.shape[1],
            "kernels": sum(map(len, kernels.values())),
            "kernel_ms": round(total / 1e3, 3),
            "top": [[name, len(times), round(sum(times) / 1e3, 3)] for name, times in top],
        }
    return found


def losses(subject: Subject, results: Results) -> Results:
    """Compare the first 20 losses with the plain loop's: dropout off, AdamW, 5e-5."""
    found: Results = {}
    count = 3 if subject.small else 20
    for method in ("dora", "lora"):
        trainer = subject.trainer(method, 0.0)
        batches = subject.batches(trainer, count)
        _, _, work = plain_steps(subject, trainer, False, batches, 5e-5)
        theirs = work()
        ours: dict[str, list[float]] = {}
        kept: dict[str, Any] = {}
        start = trainer.initial()
        for form in ("modules", "fused") if subject.small else ("fused compiled graphs",):
            set_form(trainer, form, kept)
            trainer.adapter.load(start)
            ours[form] = stepper(trainer, batches, rate=5e-5)()
        found[method] = {
            "plain": [theirs[0], theirs[-1]],
            **{
                form: {
                    "first": values[0],
                    "last": values[-1],
                    "largest_relative_difference": max(
                        abs(a - b) / b for a, b in zip(values, theirs, strict=True)
                    ),
                }
                for form, values in ours.items()
            },
        }
        del trainer, work
        free()
    return found


def digest(arrays: Any) -> str:
    """Return the sha256 of an update's bytes."""
    hashed = hashlib.sha256()
    for name, values in arrays.items():
        hashed.update(name.encode() + values.tobytes())
    return hashed.hexdigest()[:16]


def repeat(subject: Subject, results: Results) -> Results:
    """Train a round twice and by a fresh trainer; compare bytes, of graphs and eager steps too."""
    found: Results = {}
    trainer = subject.trainer("dora")
    start = trainer.initial()
    found["digests"] = [digest(trainer.train(start, 1, 0).arrays) for _ in range(2)]
    kept: dict[str, Any] = {}
    for form in () if subject.small else ("fused compiled",):
        set_form(trainer, form, kept)
        found[form] = [digest(trainer.train(start, 1, 0).arrays) for _ in range(2)]
    del trainer
    free()
    found["fresh"] = digest(subject.trainer("dora").train(start, 1, 0).arrays)
    found["equal"] = len({*found["digests"], found["fresh"]}) == 1
    free()
    return found
