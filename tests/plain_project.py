"""A FlowerTune project as the template makes it, to be changed in one thing by a test."""

from __future__ import annotations

from pathlib import Path

DATASETS = {
    "finance": ("flwrlabs/fingpt-sentiment-train", 50, 0.1),
    "medical": ("flwrlabs/medical-meadow-medical-flashcards", 20, 0.1),
    "general-nlp": ("flwrlabs/alpaca-gpt4", 20, 0.1),
    "code": ("flwrlabs/code-alpaca-20k", 10, 0.2),
}


def config(
    board: str = "finance",
    model: str = "HuggingFaceTB/SmolLM2-135M",
    rank: int = 8,
    alpha: int = 16,
    rounds: int = 10,
    more: str = "",
) -> str:
    """Return the pyproject.toml of a plain project."""
    dataset, supernodes, fraction = DATASETS[board]
    return f"""
[tool.flwr.app]
publisher = "someone"
[tool.flwr.app.config]
model.name = "{model}"
model.lora.peft-lora-r = {rank}
model.lora.peft-lora-alpha = {alpha}
strategy.fraction-fit = {fraction}
num-server-rounds = {rounds}
{more}
[tool.flwr.app.config.static]
dataset.name = "{dataset}"
[tool.flwr.federations.local-simulation]
options.num-supernodes = {supernodes}
"""


def project(folder: Path, files: dict[str, str]) -> Path:
    """Write a project: a plain finance one but for the files that are given."""
    for name, text in ({"pyproject.toml": config(), "README.md": "# A project\n"} | files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return folder


def accuracies(run: str = "fl", **fractions: float) -> dict[str, str]:
    """Return the accuracy files of a run."""
    return {
        f"flowertune-eval/benchmarks/acc_{task}_{run}.txt": f"Accuracy: {value}. "
        for task, value in fractions.items()
    }


CODE = """
from peft import LoraConfig

def model(cfg):
    return LoraConfig(r=cfg.r, lora_alpha=cfg.alpha, {arguments})
"""
