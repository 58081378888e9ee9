"""The sections of `bench/gpu.py`: each returns plain values for the JSON file."""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from committed import committed as committed
from committed import lines as committed_lines
from subject import Subject

from harness.training.fast.packing import pack
from harness.training.fused import functions as fused

Results = dict[str, Any]

SHARE_OF_16_GIB = 7.2
"""GiB that torch may take for each of two clients on a card of 16, besides their contexts."""


def sync(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def per_call_s(work: Callable[[], Any], device: str, calls: int, repeats: int = 3) -> list[float]:
    """Return seconds of a call, `repeats` times the mean of `calls`, after one to warm up."""
    work()
    found = []
    for _ in range(repeats):
        sync(device)
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        sync(device)
        found.append((time.perf_counter() - begin) / calls)
    return found


def median_range(values: Sequence[float]) -> dict[str, float]:
    """Return median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def free() -> None:
    """Give back what Python and torch hold."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


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


def optimizer_of(trainer: Any, name: str = "adamw_torch") -> tuple[list[Any], Any]:
    """Return the trained tensors and an optimizer for them."""
    from harness.training.optimizers import make_optimizer

    trained = list(trainer.adapter.trained().values())
    train = trainer.spec.train.with_values(optimizer=name)
    return trained, make_optimizer(train, trained, 1e-5)


def stepper(trainer: Any, batches: Sequence[Any], optimizer: str = "adamw_torch") -> Any:
    """Return a function that does the optimizer steps of all batches, as the trainer does."""
    trained, made = optimizer_of(trainer, optimizer)

    def steps() -> list[Any]:
        trainer.model.train()
        losses = []
        for chosen in batches:
            losses.append(trainer._backward(chosen, {}, "the bench").clone())
            torch.nn.utils.clip_grad_norm_(trained, trainer.spec.train.max_grad_norm)
            made.step()
            made.zero_grad(set_to_none=True)
        return torch.stack(losses).tolist()

    return steps


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
        peak = _peak(subject, steps)
        seconds = per_call_s(steps, subject.device, 1, 2)
        found[name] = {
            "step_s": median_range([value / count for value in seconds]),
            "peak_gib": peak,
        }
        del trainer, model, optimizer, steps
        free()
    return found


def plain_steps(
    subject: Subject, trainer: Any, checkpointing: bool, batches: Sequence[Any], rate: float = 1e-5
) -> tuple[Any, Any, Any]:
    """Return the plain loop's model, its optimizer, and a function that trains on all batches."""
    from peft import set_peft_model_state_dict
    from plain_training import plain_batch, plain_losses, plain_model

    from harness.plugins import find_peft_method
    from harness.training.optimizers import make_optimizer

    spec = trainer.spec
    method = find_peft_method(spec.peft.name, "standard").value
    params = method.params.model_validate(spec.peft.params)
    model = plain_model(
        spec.model, str(subject.model_dir), method, params, checkpointing, subject.device
    )
    start = {key: torch.from_numpy(values) for key, values in trainer.initial().items()}
    set_peft_model_state_dict(model, start)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(spec.train.with_values(optimizer="adamw_torch"), trained, rate)
    pad = trainer.tokenizer.pad_token_id or trainer.tokenizer.eos_token_id
    padded = [
        {key: value.to(subject.device) for key, value in plain_batch(batch, pad).items()}
        for batch in batches
    ]

    def steps() -> list[float]:
        losses = []
        for batch in padded:
            # For each step anew: as long as it lasts, autocast goes on with its first copy of the
            # adapter.
            with torch.autocast(subject.device, torch.bfloat16, enabled=subject.device == "cuda"):
                losses += plain_losses(model, [batch], optimizer, spec.train.max_grad_norm)
        return losses

    return model, optimizer, steps


def _peak(subject: Subject, work: Callable[[], Any]) -> float:
    if subject.device != "cuda":
        work()
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    work()
    return round(torch.cuda.max_memory_allocated() / 2**30, 2)


def set_form(trainer: Any, form: str, steps_of: dict[str, Any]) -> None:
    """Let a trainer compute in one of the forms that are compared."""
    from harness.library_internals.llama_layers import llama_parts
    from harness.training.fused.model import FusedModel
    from harness.training.fused.steps import FusedSteps

    if form == "modules":
        trainer._fused = None
        return
    if "model" not in steps_of:
        steps_of["model"] = FusedModel(llama_parts(trainer.model), trainer._dtype)
    use = fused.compiled() if "compiled" in form else fused.PLAIN
    trainer._fused = FusedSteps(steps_of["model"], use, "graphs" in form)


FORMS = {
    "dora": ("modules", "fused compiled", "fused compiled graphs"),
    "lora": ("fused compiled graphs",),
}


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
                peak = _peak(subject, work)
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
            trainer._backward(batches[0], {}, "the bench")
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
            trained, made = optimizer_of(trainer)
            for group in made.param_groups:
                group["lr"] = 5e-5
            trainer.model.train()
            values = []
            for batch in batches:
                values.append(trainer._backward(batch, {}, "the bench").clone())
                torch.nn.utils.clip_grad_norm_(trained, trainer.spec.train.max_grad_norm)
                made.step()
                made.zero_grad(set_to_none=True)
            ours[form] = torch.stack(values).tolist()
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


def memory(subject: Subject, results: Results) -> Results:
    """Measure what one, two and four client processes take, all at work at once."""
    found: Results = {}
    _ = subject.model_dir
    for clients in (1,) if subject.small else (1, 2, 4):
        try:
            found[str(clients)] = _clients(subject, clients)
        except Exception as error:  # other numbers of them are to be measured all the same
            found[str(clients)] = {"failed": f"{type(error).__name__}: {error}"[-600:]}
    return found


def _clients(subject: Subject, clients: int) -> Results:
    command = [sys.executable, str(Path(sys.argv[0]).resolve()), "--child", "client"]
    command += ["--work", str(subject.work)]
    for name in ("mirror", "tokenizer"):
        if value := getattr(subject.options, name):
            command += [f"--{name}", str(value)]
    command += ["--rehearse"] * subject.small
    if clients == 2:
        # As on a card of 16 GB: what two contexts leave is shared.
        command += ["--cap-gib", str(SHARE_OF_16_GIB)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(clients)
    ]
    outputs = [process.communicate() for process in running]
    if bad := [error for (_, error), p in zip(outputs, running, strict=True) if p.returncode]:
        raise RuntimeError(bad[0][-1500:])
    each = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
    return {
        "peak_gib": [item["peak_gib"] for item in each],
        "reserved_gib": [item["reserved_gib"] for item in each],
        "card_gib": max(item["card_gib"] for item in each),
        "step_s": [item["step_s"] for item in each],
        "steps_per_s": sum(1 / item["step_s"] for item in each),
        "load_s": [item["load_s"] for item in each],
    }


def client(options: argparse.Namespace) -> None:
    """Train as one client process does; print one JSON line. The parent runs several at once."""
    subject = Subject(options)
    if options.cap_gib and subject.device == "cuda":
        whole = torch.cuda.get_device_properties(0).total_memory / 2**30
        torch.cuda.set_per_process_memory_fraction(options.cap_gib / whole)
    begin = time.perf_counter()
    trainer = subject.trainer("dora", max_steps=2 if subject.small else 16)
    load_s = time.perf_counter() - begin
    start = trainer.initial()
    trainer.train(start, 1, 0)
    begin = time.perf_counter()
    rounds = 1 if subject.small else 4
    for number in range(rounds):
        trainer.train(start, number + 1, number % 4)
    seconds = (time.perf_counter() - begin) / rounds / trainer.spec.train.max_steps
    result = {"load_s": load_s, "step_s": seconds, "peak_gib": 0, "reserved_gib": 0, "card_gib": 0}
    if subject.device == "cuda":
        free_bytes, total = torch.cuda.mem_get_info()
        result["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        result["reserved_gib"] = round(torch.cuda.max_memory_reserved() / 2**30, 2)
        result["card_gib"] = round((total - free_bytes) / 2**30, 2)
    print(json.dumps(result))


def evaluation(subject: Subject, results: Results) -> Results:
    """Evaluate a trained model officially, and compare labels with a plain loop's."""
    from harness.boards.registry import protocol_of
    from harness.evaluation.engine import load_engine

    found: Results = {}
    trainer = subject.trainer(
        "dora", 0.0, max_steps=2 if subject.small else 200, learning_rate_max=1e-3,
        **subject.ending_answers(),
    )  # fmt: skip
    begin = time.perf_counter()
    update = trainer.train(trainer.initial(), 1, 0)
    found["trained_s"] = round(time.perf_counter() - begin, 2)
    found["losses"] = update.step_losses[:: max(1, len(update.step_losses) // 10)]
    adapter = subject.save_adapter(trainer, subject.work / "adapter", update.arrays)
    del trainer
    free()
    protocol = protocol_of(subject.resolved.challenge)
    sets = subject.questions()
    total = sum(len(item.rows) for item in sets.values())
    wanted = subject.options.rows or (6 if subject.small else total)
    begin = time.perf_counter()
    engine = load_engine(
        subject.model_dir, adapter, protocol, wanted, subject.device, 1 if subject.small else 8
    )
    sync(subject.device)
    found["load_s"] = round(time.perf_counter() - begin, 2)
    probe = list(enumerate(engine.plan("fiqa", sets["fiqa"].rows)))[:32]
    talk = [text.new_tokens for text in engine.answers(probe)]
    found["probe_new_tokens"] = sum(talk) / len(talk)
    probed = time.perf_counter() - begin - found["load_s"]
    if found["probe_new_tokens"] > 20 and not subject.options.rows:
        wanted = min(wanted, 300)
    found["sets"], rows = {}, 0
    texts: dict[str, dict[int, Any]] = {}
    for task, item in sets.items():
        start = time.perf_counter()
        plans = engine.plan(task, item.rows)
        share = list(enumerate(plans))[: max(1, round(wanted * len(item.rows) / total))]
        texts[task] = {text.row: text for text in engine.answers(share)}
        rows += len(share)
        found["sets"][task] = {
            "rows": len(share),
            "seconds": round(time.perf_counter() - start, 2),
            "prompt_tokens": sum(len(plan.ids) for _, plan in share),
            "new_tokens": sum(text.new_tokens for text in texts[task].values()),
            "ended": {
                kind: sum(text.ended == kind for text in texts[task].values())
                for kind in ("eos", "length", "decided")
            },
        }
        print(task, found["sets"][task], flush=True)
    found["rows"], found["all_s"] = rows, round(time.perf_counter() - begin - probed, 2)
    del engine
    free()
    try:
        found["plain"] = _plain_labels(subject, adapter, protocol, sets, texts)
    except Exception as error:
        found["plain"] = f"{type(error).__name__}: {error}"[:500]
    return found


def _plain_labels(subject: Subject, adapter: Path, protocol: Any, sets: Any, texts: Any) -> Results:
    """Decode the first rows by the plain loop, on this device; count equal labels."""
    from plain_loop import load_quantized
    from plain_loop import texts as plain_texts

    decoding = protocol.decoding
    model, tokenizer = load_quantized(
        subject.model_dir, adapter, decoding.seed, True, subject.device
    )
    found: Results = {"rows": 0, "equal": 0, "seconds": 0.0}
    for task, item in sets.items():
        if found["seconds"] > 25:
            break
        count = min(2 if subject.small else 32, len(texts[task]))
        prompts = [protocol.asked(row.context) for row in item.rows[:count]]
        begin = time.perf_counter()
        theirs = list(
            plain_texts(model, tokenizer, prompts, decoding.batch_size, decoding.max_length_tokens)
        )
        found["seconds"] += time.perf_counter() - begin
        for number, text in enumerate(theirs):
            row = item.rows[number]
            labels = {
                protocol.read(task, protocol.output_of(row.context, each, ""), row.target).answer
                for each in (text, texts[task][number].text)
            }
            found["rows"] += 1
            found["equal"] += len(labels) == 1
    return found


def table(result: Results) -> str:
    """Return the figures as a table for people."""
    lines: list[tuple[str, str]] = []
    sections = result["sections"]
    if found := sections.get("card"):
        lines.append(("card", f"{found['device']}, torch {found['versions']['torch']}"))
        lines.append(("bfloat16 product, TFLOP/s", str(found["bfloat16_tflops"])))
        lines.append(("float32 product, TFLOP/s", str(found["float32_tflops"])))
        lines.append(("copy, GB/s", str(found["copy_gb_per_s"])))
    for name, item in sections.get("template", {}).items():
        lines.append((f"plain {name}, ms a step", _ms(item["step_s"])))
    for method, item in sections.get("steps", {}).items():
        for form, one in item["forms"].items():
            value = _ms(one["step_s"]) if "step_s" in one else one["failed"]
            lines.append((f"{method}, {form}, ms a step", value))
    for method, item in sections.get("losses", {}).items():
        for form, one in item.items():
            if isinstance(one, dict):
                value = f"{one['largest_relative_difference']:.1e}"
                lines.append((f"{method}, {form}: losses differ by", value))
    if found := sections.get("repeat"):
        lines.append(("a round repeats itself", str(found["equal"])))
    for clients, item in sections.get("memory", {}).items():
        if "failed" in item:
            lines.append((f"{clients} client(s)", item["failed"]))
            continue
        lines.append(
            (f"{clients} client(s), peak GiB", f"{item['peak_gib']} of {item['card_gib']}")
        )
        lines.append((f"{clients} client(s), steps/s", f"{item['steps_per_s']:.1f}"))
    if found := sections.get("evaluation"):
        lines.append(("rows evaluated", f"{found['rows']} in {found['all_s']} s, loading included"))
        lines.append(("labels equal to the plain loop's", json.dumps(found["plain"])))
    if found := sections.get("committed"):
        lines += committed_lines(found)
    lines += [(f"{name} failed", text[:200]) for name, text in result["failed"].items()]
    width = max(len(name) for name, _ in lines) if lines else 0
    return "\n".join(f"| {name:<{width}} | {value} |" for name, value in lines)


def _ms(values: dict[str, float]) -> str:
    return f"{values['median'] * 1e3:.1f} ({values['min'] * 1e3:.1f}-{values['max'] * 1e3:.1f})"
