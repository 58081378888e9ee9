"""What it costs a client to be held back: `python bench/isolation.py`.

Training steps of a Llama of SmolLM2-135M's shape, random weights, on one thread, in a process with
`--isolation auto` and one with `off`, in turns. Processor time is counted, which other programs of
the machine disturb least; `start_s` is what a process takes until its first line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "isolation"))

from launch import ended, start

STEPS = """
import json, resource, sys
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)
torch.manual_seed(0)
config = LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536,
                     num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3)
model = LlamaForCausalLM(config)
for name, parameter in model.named_parameters():
    parameter.requires_grad_("q_proj" in name)
rows = torch.randint(0, 49152, (1, 64))

def step():
    before = resource.getrusage(resource.RUSAGE_SELF)
    model(input_ids=rows, labels=rows).loss.backward()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

step()
print(json.dumps([step() for _ in range({steps})]), file=sys.stderr)
"""


def steps_s(policy: str, steps: int) -> tuple[list[float], dict[str, str]]:
    """Return the processor seconds of each step under a policy, and what held."""
    with tempfile.TemporaryDirectory(prefix="iso-", dir="/tmp") as folder:
        code = STEPS.format(steps=steps)
        done = ended(start(code, Path(folder), policy))
    assert done.code == 0, done.said
    return json.loads(done.said.splitlines()[-1]), done.held


def start_s(policy: str) -> float:
    """Return the seconds until a process under a policy has ended that does nothing."""
    with tempfile.TemporaryDirectory(prefix="iso-", dir="/tmp") as folder:
        begin = time.monotonic()
        assert ended(start("", Path(folder), policy)).code == 0
        return time.monotonic() - begin


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    chosen = parser.parse_args()
    taken: dict[str, list[float]] = {"auto": [], "off": []}
    starts: dict[str, list[float]] = {"auto": [], "off": []}
    held = {}
    for _ in range(chosen.turns):
        for policy in taken:
            found, held[policy] = steps_s(policy, chosen.steps)
            taken[policy] += found
            starts[policy].append(start_s(policy))
    medians = {policy: statistics.median(found) for policy, found in taken.items()}
    print(
        json.dumps(
            {
                "step_processor_s": medians,
                "least_step_processor_s": {policy: min(found) for policy, found in taken.items()},
                "overhead": medians["auto"] / medians["off"] - 1,
                "start_s": {policy: min(found) for policy, found in starts.items()},
                "held": held["auto"],
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
