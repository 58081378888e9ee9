"""What the four boards of the leaderboard fix, as far as a claim can be compared with it.

Source: flwrlabs/flower at 2026-03-29, examples/flowertune-llm-* (READMEs, pyproject.toml) and
benchmarks/flowertune-llm/evaluation; row counts as in the published generations.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Board:
    """One challenge as upstream's board shows it."""

    id: str
    supernodes: int
    datasets: tuple[str, ...]
    """Current name first, then former ones."""
    rows: dict[str, int]
    """Evaluation set -> rows, in the board's order."""
    spellings: dict[str, tuple[str, ...]]
    """Evaluation set -> names in READMEs, lower case, letters and digits only."""
    metric: str = "accuracy"


BOARDS = {
    board.id: board
    for board in (
        Board(
            "finance", 50,
            ("flwrlabs/fingpt-sentiment-train", "FinGPT/fingpt-sentiment-train"),
            {"fpb": 1212, "fiqa": 304, "tfns": 2388},
            {"fpb": ("fpb",), "fiqa": ("fiqa",), "tfns": ("tfns",)},
        ),
        Board(
            "medical", 20,
            ("flwrlabs/medical-meadow-medical-flashcards",
             "medalpaca/medical_meadow_medical_flashcards"),
            {"pubmedqa": 500, "medmcqa": 4183, "medqa": 1273, "careqa": 5621},
            {"pubmedqa": ("pubmedqa",), "medmcqa": ("medmcqa",), "medqa": ("medqa",),
             "careqa": ("careqa",)},
        ),
        Board(
            "general-nlp", 20,
            ("flwrlabs/alpaca-gpt4", "vicgalle/alpaca-gpt4"),
            {"mmlu_stem": 3153, "mmlu_social_sciences": 3077, "mmlu_humanities": 4705},
            {"mmlu_stem": ("stem",), "mmlu_social_sciences": ("socialsciences", "social", "ss"),
             "mmlu_humanities": ("humanities",)},
        ),
        Board(
            "code", 10,
            ("flwrlabs/code-alpaca-20k", "lucasmccabe-lmi/CodeAlpaca-20k"),
            {"mbpp": 500, "humaneval": 164, "multiple-js": 161, "multiple-cpp": 161},
            {"mbpp": ("mbpp",), "humaneval": ("humaneval",), "multiple-js": ("multiplejs", "js"),
             "multiple-cpp": ("multiplecpp", "multiplec", "cpp")},
            "pass@1",
        ),
    )
}  # fmt: skip

LIMIT_MIB = 200_000
MIN_CLIENTS = 2


def clients_per_round(board: Board, fraction: float) -> int:
    """Return how many clients a round of a board samples. Source: flwr `FedAvg.configure_fit`."""
    return max(int(board.supernodes * fraction), MIN_CLIENTS)


def board_of_dataset(name: str) -> Board | None:
    """Return the board whose training set has `name`, or None."""
    return next((board for board in BOARDS.values() if name in board.datasets), None)
