"""What a README says in other words, scripts and places is compared, and nothing of another run."""

from __future__ import annotations

from pathlib import Path

import pytest
from plain_project import accuracies, config, project

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.claims.record import ClaimRecord

COUNTED = accuracies(fpb=827 / 1212, fiqa=185 / 304, tfns=1612 / 2388)
TRAINED = config(
    more="train.learning-rate-max = 5e-5\ntrain.learning-rate-min = 1e-6\n"
    "train.training-arguments.max-steps = 10\n"
    "train.training-arguments.per-device-train-batch-size = 16\n"
)


def contradicting(claim: ClaimRecord) -> set[str]:
    return {item.topic for item in claim_findings(claim) if item.kind == "contradicts"}


def read(folder: Path, readme: str, files: dict[str, str] | None = None) -> ClaimRecord:
    return import_project(
        project(folder, {"pyproject.toml": TRAINED, "README.md": readme} | (files or {}))
    )


@pytest.mark.parametrize(
    ("readme", "found"),
    [
        ("- LoRA r/alpha: 32/64", {"rank", "alpha"}),
        ("- Rank and alpha: 32 and 64", {"rank", "alpha"}),
        ("- LoRA (r, α): 32, 64", {"rank", "alpha"}),
        ("- LR (max → min): 2e-4 → 6e-6", {"learning_rate_max", "learning_rate_min"}),
        ("- Learning rate: 6e-6 to 2e-4 (cosine)", {"learning_rate_max", "learning_rate_min"}),
        ("- Learning rate: 2e-4", {"learning_rate_max"}),
        ("- Local steps per round: 20", {"max_steps"}),
        ("| Setting | Value | Notes |\n|-|-|-|\n| Rank | 32 | of the adapter |", {"rank"}),
        ("- Rang: 32\n- Runden: 30\n- Batchgröße: 8", {"rank", "rounds", "batch_size"}),
        ("- Rang LoRA : 32\n- Nombre de tours : 30\n- Taille de lot : 8",
         {"rank", "rounds", "batch_size"}),
        ("- Rango: 32\n- Alfa: 64\n- Rondas: 30", {"rank", "alpha", "rounds"}),
        ("- LoRA 秩：32\n- 轮数：３０\n- 批大小：8\n- 学习率：2e-4",
         {"rank", "rounds", "batch_size", "learning_rate_max"}),
        ("- LoRAランク: 32\n- ラウンド数: 30", {"rank", "rounds"}),
        ("# Setup\nWe trained a LoRA adapter of rank 32 for 30 rounds.", {"rank", "rounds"}),
        ("- 🏆 LoRA rank: 32", {"rank"}),
        ("Each client trains a LoRA adapter of rank 32.", {"rank"}),
        ("- Model: Qwen2.5 7B Instruct", {"model"}),
    ],
)  # fmt: skip
def test_settings_are_compared_in_other_words(readme: str, found: set[str], tmp_path: Path) -> None:
    assert contradicting(read(tmp_path, readme)) == {f"setting {name}" for name in found}


@pytest.mark.parametrize(
    "line",
    ["Leaderboard rank: 2", "Rank: 2 of 20", "Rank: 2 on the leaderboard", "Warm-up rounds: 2",
     "Time for 20 rounds: 2 h", "Batch size: 32 (evaluation)", "Server learning rate: 1.0",
     "Learning rate: 1.0 (server)", "Total clients: 5 per round", "Model: 1.2 GB", "Model: 7B",
     "Model: SmolLM2", "Model: SmolLM2 135M", "Rounds: 10 (evaluated every 5 rounds)",
     "LoRA r/alpha: 8/16", "Learning rate: 5e-5 → 1e-6", "🥇 Rank: 1", "🏆 **Rank**: 1",
     "Rank: 🥉 3", "Default rank: 32", "Default rounds: 200",
     "Max steps: 10 per round, 100 in all"],
)  # fmt: skip
def test_what_is_no_setting_of_the_run_contradicts_nothing(line: str, tmp_path: Path) -> None:
    assert contradicting(read(tmp_path, f"# Ours\n\n- {line}\n")) == set()


@pytest.mark.parametrize(
    "scores",
    [
        "FPB / FiQA / TFNS / Avg: 68.23 / {} / 67.50 / 65.53",
        "- Accuracy (FPB, FiQA, TFNS, Avg): 68.23, {}, 67.50, 65.53",
        "🏆 **FPB** — 68.23% · **FiQA** — {}% · **TFNS** — 67.50% · **Average** — 65.53%",
        "```\nFPB   68.23\nFiQA  {}\nTFNS  67.50\nAVG   65.53\n```",
        "| Set | Accuracy |\n|-|-|\n| FPB | 44.55 → 68.23 |\n| FiQA | 62.50 → {} |\n"
        "| TFNS | 28.77 → 67.50 |\n| Avg | 45.27 → 65.53 |",
        "| Set | Accuracy |\n|-|-|\n| FPB | $68.23 \\pm 1.3$ |\n| FiQA | ${} \\pm 2.8$ |\n"
        "| TFNS | $67.50 \\pm 1.0$ |\n| Avg | 65.53 |",
    ],
    ids=["slashes", "brackets", "dashes", "columns", "arrows", "LaTeX"],
)
def test_scores_are_read_in_other_layouts(scores: str, tmp_path: Path) -> None:
    claim = read(tmp_path / "true", scores.format("60.86"), COUNTED)
    assert claim.average is not None
    assert claim.average.text == "65.53"
    assert contradicting(claim) == set()
    claim = read(tmp_path / "wrong", scores.format("61.84"), COUNTED)
    assert contradicting(claim) == {"fiqa: README", "average"}


@pytest.mark.parametrize("zero", ["٠", "۰", "०", "０"])
def test_digits_of_every_script_are_digits(zero: str, tmp_path: Path) -> None:
    own = {ord(str(digit)): chr(ord(zero) + digit) for digit in range(10)}
    table = "| FPB | FiQA | TFNS |\n|-|-|-|\n| 68.23% | 60.86% | 67.50% |\n".replace("%", "٪")
    claim = read(tmp_path, table.replace(".", "٫").translate(own), COUNTED)
    assert [item.percent and item.percent.text for item in claim.sets] == [
        "68.23",
        "60.86",
        "67.50",
    ]


SEVERAL = """# FlowerTune
## Finance
- Rank: 8
- FPB: 68.23
- FiQA: 60.86
- TFNS: 67.50
- Average: 65.53
- Communication: 207.42 MB

## 2. Medical challenge
- Rank: 32
- Rounds: 30
- PubMedQA: 60.2
- Average: 33.10
- Communication: 900 MB
"""


def test_sections_of_other_boards_are_left_out(tmp_path: Path) -> None:
    claim = read(tmp_path, SEVERAL, COUNTED)
    assert contradicting(claim) == set()
    assert claim.average is not None
    assert claim.traffic.stated is not None
    assert (claim.average.text, claim.traffic.stated.text) == ("65.53", "207.42")


@pytest.mark.parametrize("heading", ["Ablation", "Baseline", "Future work", "Changelog"])
def test_sections_of_other_work_state_no_settings(heading: str, tmp_path: Path) -> None:
    claim = read(tmp_path, f"- Rank: 8\n\n## {heading}\n- Rank: 32\n\n### More\n- Rounds: 30\n")
    assert contradicting(claim) == set()
    assert claim.stated.rank == 8


def test_changes_from_a_baseline_are_the_run_s(tmp_path: Path) -> None:
    claim = read(tmp_path, "# Ours\n\n## Changes from baseline\n\n- Rank: 32\n")
    assert contradicting(claim) == {"setting rank"}


def test_settings_in_the_row_of_the_run_s_model_are_compared(tmp_path: Path) -> None:
    table = (
        "| Model | Rank | Rounds | FPB | FiQA | TFNS |\n|-|-|-|-|-|-|\n"
        "| SmolLM2-1.7B | 32 | 50 | 70.05 | 61.18 | 70.02 |\n"
        "| SmolLM2-135M | {} | 10 | 68.23 | 60.86 | 67.50 |\n"
    )
    assert contradicting(read(tmp_path / "a", table.format(8), COUNTED)) == set()
    assert contradicting(read(tmp_path / "b", table.format(16), COUNTED)) == {"setting rank"}


@pytest.mark.parametrize(
    ("readme", "total"),
    [
        ("- Uplink: 103.71 MB\n- Downlink: 103.71 MB\n", "207.42"),
        ("| Upload | 1,103.5 MB |\n|-|-|\n| Download | 1,103.5 MB |\n", "2207.0"),
        ("- Client → server: 1 GB\n- Server → client: 2 GB\n", "3"),
        ("- Upload: 10 MB per round\n- Download: 10 MB per round\n", None),
        ("- Upload: 10 MB\n- Download: 1 GB\n", None),
        ("- Upload: 10 MB\n", None),
        ("- Communication: 20 MB\n- Upload: 10 MB\n- Download: 10 MB\n", "20"),
    ],
)
def test_communication_up_and_down_is_added(readme: str, total: str | None, tmp_path: Path) -> None:
    stated = read(tmp_path, readme).traffic.stated
    assert (stated and stated.text) == total


@pytest.mark.parametrize(
    ("line", "figure"),
    [
        ("Communication: 500 MB per round", None),
        ("Communication: 500 MB/round, 5 GB in all", None),
        ("Bandwidth used: 1234.56 MB", "1234.56 MB"),
        ("Communication budget: limit 200,000 MB, used 1234.5 MB", "1234.5 MB"),
        ("Communication (limit: 200 000 MB): 1234.5 MB", "1234.5 MB"),
        ("Communication cost: 1234.5 / 200000 MB", "1234.5 MB"),
        ("Communication cost: 1234.5 MB / 200,000 MB", "1234.5 MB"),
        ("Communication: 1234.5 MB of 200,000 MB", "1234.5 MB"),
        ("Coût de communication : 1 234,56 Mo", "1234.56 Mo"),
        ("| Model | Comm. budget (MB) | FPB | FiQA | TFNS |\n|-|-|-|-|-|\n"
         "| ours | 1,207.42 | 68.23 | 60.86 | 67.50 |", "1207.42 MB"),
    ],
)  # fmt: skip
def test_communication_of_a_whole_run_is_read(
    line: str, figure: str | None, tmp_path: Path
) -> None:
    stated = read(tmp_path, f"# Ours\n\n{line}\n").traffic.stated
    assert (stated and f"{stated.text} {stated.unit}") == figure


def test_sets_of_two_words_are_found_in_sentences(tmp_path: Path) -> None:
    said = "MMLU results: STEM 31.72%, Social Science 32.50%, Humanities 31.88% (avg. 32.03%)"
    files = {"pyproject.toml": config(board="general-nlp"), "README.md": f"# Ours\n\n{said}\n"}
    claim = import_project(project(tmp_path, files))
    assert [item.percent and item.percent.text for item in claim.sets] == [
        "31.72",
        "32.50",
        "31.88",
    ]
    assert claim.average is not None
    assert claim.average.text == "32.03"


@pytest.mark.parametrize("said", ["Accuracy: 68.23%", "68.23 %", "Accuracy: 0.6823"])
def test_an_accuracy_file_may_say_percent(said: str, tmp_path: Path) -> None:
    readme = "- FPB: {}\n- FiQA: 60.86\n- TFNS: 67.50\n"
    files = COUNTED | {"flowertune-eval/benchmarks/acc_fpb_fl.txt": said}
    assert contradicting(read(tmp_path / "a", readme.format("68.23"), files)) == set()
    found = contradicting(read(tmp_path / "b", readme.format("70.05"), files))
    assert found == {"fpb: README"}


@pytest.mark.parametrize("said", ["Accuracy: 0.5.5. ", "Accuracy: --", "Accuracy: 1e", "-5%"])
def test_an_accuracy_file_that_states_no_number_is_named(said: str, tmp_path: Path) -> None:
    claim = read(tmp_path, "", {"flowertune-eval/benchmarks/acc_fpb_fl.txt": said})
    assert [item for item in claim.unread if "expected one accuracy between 0 and 1" in item]


def test_scores_of_another_run_contradict_nothing(tmp_path: Path) -> None:
    others = accuracies("second", fpb=0.5, fiqa=0.5, tfns=0.5)
    readme = "| FPB | FiQA | TFNS |\n|-|-|-|\n| 68.23 | 60.86 | 67.50 |\n"
    folder = project(tmp_path, {"README.md": readme} | COUNTED | others)
    claim = import_project(folder, run="second")
    assert contradicting(claim) == set()
    assert "README.md: its scores are those of fl" in claim.unread
    assert contradicting(import_project(folder, run="fl")) == set()
    (folder / "README.md").write_text(readme.replace("60.86", "61.84"), encoding="utf-8")
    assert "fiqa: README" in contradicting(import_project(folder, run="fl"))
