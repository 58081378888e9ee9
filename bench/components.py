"""Six strategies and PEFT methods side by side: one model, one budget, one seed.

    python bench/components.py --mirror DIR --out DIR [--rounds 3] [--steps 40] [--rows 128]

Each is a `harness run` of smollm2-dora/135m with other components; a run that is there already is
not run again. Prints a table and writes it as `components.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

RECIPE = "smollm2-dora/135m"
LORA = (
    "peft=standard/lora",
    "peft.r=8",
    "peft.alpha=16",
    'peft.target_modules=["gate_proj", "up_proj", "down_proj"]',
)
ENTRIES: dict[str, tuple[str, ...]] = {
    "FedAvg + LoRA": (*LORA, "strategy=standard/fedavg"),
    "FedAvg + DoRA": ("peft=standard/dora", *LORA[1:], "strategy=standard/fedavg"),
    "FlexLoRA": (*LORA, "strategy=standard/flexlora"),
    "FFA-LoRA": (*LORA, "strategy=standard/ffa-lora"),
    "FedProx + LoRA": (*LORA, "strategy=standard/fedprox"),
    "FedAdam + LoRA": (*LORA, "strategy=standard/fedadam", "strategy.eta=0.02"),
}


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one entry, or read it when it is there; return its figures."""
    folder = options.out / name.lower().replace(" + ", "-").replace(" ", "-")
    if not (folder / "result.json").is_file():
        settings = (
            *ENTRIES[name],
            f"rounds={options.rounds}",
            f"max_steps={options.steps}",
            f"fraction={options.fraction}",
            "round_schedule=cosine",
        )
        command = [sys.executable, "-c", "from harness.cli import main; main()", "run"]
        if folder.exists():
            command += ["--resume", str(folder)]
        else:
            command += ["--plugin", RECIPE, "--mirror", str(options.mirror), "--device", "cpu"]
            command += ["--limit", str(options.rows)] if options.rows else []
            command += [part for item in settings for part in ("--set", item)]
            command += ["--out", str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    rounds = record["federation"]["rounds"]
    errors = [item["aggregation_error"] for item in rounds]
    return {
        "name": name,
        "loss_first": rounds[0]["train_loss"],
        "loss_last": rounds[-1]["train_loss"],
        "scores": {s["task"]: s["value"] for s in record["scores"] if s["metric"] == "accuracy"},
        "examples": {
            s["task"]: s["examples"] for s in record["scores"] if s["metric"] == "accuracy"
        },
        "average": record["average"],
        "communication_bytes": record["communication"]["bytes_total"],
        "aggregation_error": errors,
        "federate_s": record["timing"]["federate"],
    }


def table(figures: list[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table; accuracies in percent, traffic in MiB."""
    lines = [
        "| | loss, first round | loss, last round | average accuracy, % | communication, MiB |"
        " aggregation error, mean over rounds | training, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for item in figures:
        errors = [value for value in item["aggregation_error"] if value is not None]
        error = f"{sum(errors) / len(errors):.4f}" if errors else "not defined"
        lines.append(
            f"| {item['name']} | {item['loss_first']:.3f} | {item['loss_last']:.3f}"
            f" | {100 * item['average']:.2f} | {item['communication_bytes'] / 2**20:.2f}"
            f" | {error} | {item['federate_s']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run all entries and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--fraction", type=float, default=0.06, help="of the supernodes, sampled")
    parser.add_argument("--rows", type=int, default=128, help="of each evaluation set; 0: all")
    parser.add_argument("--only", nargs="*", choices=list(ENTRIES), default=list(ENTRIES))
    options = parser.parse_args()
    figures = [run(name, options) for name in options.only]
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=2)
    (options.out / "components.json").write_text(text + "\n", encoding="utf-8")
    print(table(figures))


if __name__ == "__main__":
    main()
