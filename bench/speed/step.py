"""Compare one optimizer step of the harness with the plain loop: `python bench/speed/step.py`.

Every line is measured in a process of its own, on the same batch with the same trained tensors.
Seconds are of the processor (all threads together), so that another load on the machine does less
harm; the wall's are shown beside them. Needs the mirror (`HARNESS_MIRROR`) for real text.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parent))

CASES = {
    "plain": "plain loop, gradient checkpointing (the template)",
    "plain-kept": "plain loop, no checkpointing",
    "fast-dora": "harness, DoRA",
    "fast-lora": "harness, LoRA",
}


def make_spec(method: str, batch: int, threads: int, dropout: float) -> tuple[Any, Any, Any, Any]:
    """Return spec, challenge, assets and PEFT method of a finance run: r=32 on the MLP."""
    from harness.planning.resolve import Request, resolve
    from harness.plugins import find_peft_method
    from harness.sources import locate

    sets = (f"batch_size={batch}", "max_steps=1", "peft.r=32", "peft.alpha=64")
    sets += (f"peft.dropout={dropout}",)
    request = Request("smollm2-dora/135m", overrides=sets, device="cpu", threads=threads)
    resolved = resolve(request)
    found = find_peft_method(f"standard/{method}", "standard").value
    peft = {"name": f"standard/{method}", "params": dict(resolved.spec.peft.params)}
    spec = resolved.spec.with_values(peft=peft)
    return spec, resolved.challenge, locate(spec, resolved.challenge, None), found


def fast_case(spec: Any, challenge: Any, assets: Any, found: Any) -> tuple[Any, Any]:
    """Return (one step, one client's set-up) of the harness."""
    from harness.training.gradients import ClientRound
    from harness.training.rows.example_order import example_order
    from harness.training.trainer import Trainer

    trainer = Trainer(spec, challenge, assets, found, found.params.model_validate(spec.peft.params))
    arrays = trainer.initial()
    examples = trainer.rows.examples(0)
    chosen = [examples[i] for i in example_order(spec, 0, 1, len(examples))]
    backward, own_round = trainer.gradients.backward, ClientRound("bench")
    optimizer: list[Any] = []

    def step() -> float:
        import torch

        from harness.training.optimizers import make_optimizer

        trained = trainer.adapter.trained()
        if not optimizer:
            optimizer.append(make_optimizer(spec.train, list(trained.values()), 1e-5))
        loss = backward(chosen, own_round)
        torch.nn.utils.clip_grad_norm_(list(trained.values()), spec.train.max_grad_norm)
        optimizer[0].step()
        optimizer[0].zero_grad()
        return loss

    def set_up() -> None:
        import torch

        # All of `train` but its steps: values in, optimizer, values out.
        trainer.gradients.backward = lambda *_: torch.zeros(())  # type: ignore[method-assign]
        trainer.train(arrays, 1, 0)

    return step, set_up


def plain_case(checkpointing: bool, batch: int, threads: int, dropout: float) -> tuple[Any, Any]:
    """Return one step of the plain loop, and how long one client's set-up took."""
    import torch
    from plain_training import plain_batch, plain_losses, plain_model

    from harness.training.base_model import load_tokenizer
    from harness.training.optimizers import make_optimizer
    from harness.training.rows.example_order import example_order
    from harness.training.rows.examples import tokenise
    from harness.training.rows.partitions import Partitions

    spec, challenge, assets, found = make_spec("dora", batch, threads, dropout)
    torch.set_num_threads(threads)
    params = found.params.model_validate(spec.peft.params)
    made: dict[str, Any] = {}

    def set_up() -> None:
        # What the template does for every client in every round.
        tokenizer = load_tokenizer(spec.model, assets.model_dir)
        rows = Partitions(challenge, assets.training_file).rows(0)
        examples = tokenise(rows, spec.train, tokenizer, 0)
        made["model"] = plain_model(spec.model, assets.model_dir, found, params, checkpointing)
        made["model"].train()
        order = example_order(spec, 0, 1, len(examples))
        made["batch"] = plain_batch([examples[i] for i in order], tokenizer.pad_token_id)

    made["set_up"] = timed(set_up, 1, warm=False)
    trained = [p for p in made["model"].parameters() if p.requires_grad]
    optimizer = make_optimizer(spec.train, trained, 1e-5)

    def step() -> float:
        batches = [made["batch"]]
        return plain_losses(made["model"], batches, optimizer, spec.train.max_grad_norm)[0]

    return step, made["set_up"]


def timed(work: Callable[[], Any], repeats: int, warm: bool = True) -> dict[str, Any]:
    """Run `work` `repeats` times, after once to warm up unless it starts cold by nature."""
    first = work() if warm else None
    processor, wall = [], []
    for _ in range(repeats):
        begin, spent = time.perf_counter(), time.process_time()
        work()
        processor.append(time.process_time() - spent)
        wall.append(time.perf_counter() - begin)
    return {"first": first, "processor_s": processor, "wall_s": wall}


def child(case: str, arguments: argparse.Namespace) -> None:
    """Measure one case; print one JSON line."""
    common = (arguments.batch, arguments.threads, arguments.dropout)
    if case.startswith("fast"):
        step, work = fast_case(*make_spec(case.split("-")[1], *common))
    else:
        step, set_up = plain_case(case == "plain", *common)
    result = {"case": case, "step": timed(step, arguments.repeats)}
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["set_up"] = timed(work, 5) if case.startswith("fast") else set_up
    print(json.dumps(result))


def main() -> None:
    """Measure every case in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dropout", type=float, default=0.075)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--child", choices=list(CASES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments)
        return
    results = []
    for case in arguments.cases:
        command = [sys.executable, __file__, "--child", case]
        for name in ("batch", "threads", "repeats", "dropout"):
            command += [f"--{name}", str(getattr(arguments, name))]
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
        if done.returncode != 0:
            sys.exit(done.stderr)
        results.append(json.loads(done.stdout.splitlines()[-1]))
        print(done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    reference = statistics.median(results[0]["step"]["processor_s"])
    table = []
    for result in results:
        spent = result["step"]["processor_s"]
        table.append(
            {
                "case": CASES[result["case"]],
                "loss": f"{result['step']['first']:.5f}",
                "step, processor s": f"{statistics.median(spent):.2f}",
                "range": f"{min(spent):.2f}-{max(spent):.2f}",
                "wall s": f"{statistics.median(result['step']['wall_s']):.1f}",
                "times faster": f"{reference / statistics.median(spent):.2f}",
                "set-up, processor s": f"{statistics.median(result['set_up']['processor_s']):.3f}",
                "peak MiB": f"{result['peak_mib']:.0f}",
            }
        )
    print(tabulate(table, headers="keys", tablefmt="github"))


if __name__ == "__main__":
    main()
