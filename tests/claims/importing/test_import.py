"""`harness import` reads projects as participants have them, and says what of them holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.claims.record import ClaimRecord
from harness.errors import UsageError

DOTTED = """
[tool.flwr.app]
publisher = "someone"
[tool.flwr.app.config]
model.name = "HuggingFaceTB/SmolLM2-135M"
model.quantization = 4
model.lora.peft-lora-r = 8
model.lora.peft-lora-alpha = 16
model.lora.peft_lora_target_modules = ["q_proj", "v_proj"]
train.learning-rate-max = 5e-5
train.learning-rate-min = 1e-6
train.training-arguments.max-steps = 10
strategy.fraction-fit = 0.1
num-server-rounds = 10
[tool.flwr.app.config.static]
dataset.name = "medalpaca/medical_meadow_medical_flashcards"
[tool.flwr.federations.local-simulation]
options.num-supernodes = 20
"""

NESTED = """
[tool.flwr.app]
publisher = "someone"
[tool.flwr.app.config]
num-server-rounds = 10
[tool.flwr.app.config.model]
name = "HuggingFaceTB/SmolLM2-135M"
quantization = 4
[tool.flwr.app.config.model.lora]
peft-lora-r = 8
peft-lora-alpha = 16
peft-lora-target-modules = ["q_proj", "v_proj"]
[tool.flwr.app.config.train]
learning-rate-max = 5e-5
learning-rate-min = 1e-6
[tool.flwr.app.config.train.training-arguments]
max-steps = 10
[tool.flwr.app.config.strategy]
fraction-train = 0.1
[tool.flwr.app.config.static.dataset]
name = "flwrlabs/medical-meadow-medical-flashcards"
[tool.flwr.federations.local-simulation.options]
num-supernodes = 20
"""

README = """# A project
| | PubMedQA | MedMCQA | MedQA | CareQA | Avg |
|:-:|:-:|:-:|:-:|:-:|:-:|
| FedAvg | {pubmedqa} | 50.01 | 40.06 | 30.01 | {average} |

**Communication budget: {traffic}**

Runtime: 1924.52 seconds ({clock})
"""

RIGHT = {
    "pubmedqa": "60.00", "average": "45.02", "traffic": "70.90 MB", "clock": "00:32:04",
}  # fmt: skip


def medical(folder: Path, config: str = DOTTED, **changes: str) -> Path:
    """Write a small medical project; pubmedqa's generations are of 500 rows, 300 right."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(config)
    (folder / "README.md").write_text(README.format(**(RIGHT | changes)))
    results = folder / "flowertune-eval-medical" / "benchmarks"
    results.mkdir(parents=True)
    rows = [
        {"prompt": f"q{i}", "gold": "yes", "output": "Yes, it is" if i >= 300 else "yes"}
        for i in range(500)
    ]
    (results / "generation_pubmedqa_fl.jsonl").write_text(json.dumps(rows))
    (results / "acc_pubmedqa_fl.txt").write_text("Accuracy: 0.6. ")
    for task, value in (("medmcqa", 2092 / 4183), ("medqa", 510 / 1273), ("careqa", 1687 / 5621)):
        (results / f"acc_{task}_fl.txt").write_text(f"Accuracy: {value}. ")
    return folder


def contradictions(claim: ClaimRecord) -> dict[str, str]:
    return {i.topic: i.expected for i in claim_findings(claim) if i.kind == "contradicts"}


@pytest.mark.parametrize("config", [DOTTED, NESTED])
def test_dotted_and_nested_keys_old_and_new_names_are_read_alike(
    config: str, tmp_path: Path
) -> None:
    found = import_project(medical(tmp_path / "p", config)).config
    assert (found.model, found.rank, found.alpha) == ("HuggingFaceTB/SmolLM2-135M", 8, 16)
    assert (found.rounds, found.fraction, found.num_supernodes) == (10, 0.1, 20)
    assert found.targets == ("q_proj", "v_proj")
    assert found.api == ("legacy" if config is DOTTED else "message")


def test_a_project_whose_numbers_agree_has_no_contradiction(tmp_path: Path) -> None:
    claim = import_project(medical(tmp_path / "p"))
    # The questions are made up here; everything else agrees.
    assert contradictions(claim) == {"pubmedqa: rows": "the official rows"}
    recomputed = {i.topic for i in claim_findings(claim) if i.kind == "recomputes"}
    assert {"communication", "runtime", "average", "pubmedqa: accuracy file"} <= recomputed


@pytest.mark.parametrize(
    ("change", "topic"),
    [
        ({"pubmedqa": "59.94", "average": "45.00"}, "pubmedqa: possible"),
        ({"pubmedqa": "61.00", "average": "45.27"}, "pubmedqa: README"),
        ({"average": "46.02"}, "average"),
        ({"traffic": "67.35 MB"}, "communication"),
        ({"clock": "00:23:18"}, "runtime"),
    ],
)
def test_each_contradiction_is_found(change: dict[str, str], topic: str, tmp_path: Path) -> None:
    assert topic in contradictions(import_project(medical(tmp_path / "p", **change)))


def test_a_figure_without_the_last_half_round_is_recognised(tmp_path: Path) -> None:
    """70.90 MiB are 40 messages of 10 rounds; 67.35 MiB lack the last upload of both clients."""
    found = contradictions(import_project(medical(tmp_path / "p", traffic="67.35 MB")))
    assert "lacks the last half round" in found["communication"]


def test_figures_of_several_models_are_not_guessed(tmp_path: Path) -> None:
    folder = medical(tmp_path / "p")
    readme = (folder / "README.md").read_text()
    line = next(line for line in readme.split("\n") if line.startswith("| FedAvg"))
    other = "| FedProx | 10.00 | 10.01 | 10.06 | 10.01 | 10.02 |"
    results = folder / "flowertune-eval-medical" / "benchmarks"
    for file in results.glob("acc_*"):
        file.unlink()
    (folder / "README.md").write_text(readme.replace(line, f"{line}\n{other}"))
    claim = import_project(folder)
    assert all(item.percent is None for item in claim.sets)
    assert any("not certain" in text for text in claim.unread)


def test_several_runs_need_a_choice(tmp_path: Path) -> None:
    folder = medical(tmp_path / "p")
    results = folder / "flowertune-eval-medical" / "benchmarks"
    for file in list(results.iterdir()):
        (results / file.name.replace("_fl", "_other")).write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match="fl, other"):
        import_project(folder)
    assert import_project(folder, run="other").sets[0].fraction is not None


def test_nothing_of_a_project_is_executed_and_links_are_not_followed(tmp_path: Path) -> None:
    folder = medical(tmp_path / "p")
    trap = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    for name in ("setup.py", "conftest.py", "sitecustomize.py"):
        (folder / name).write_text(trap)
    secret = tmp_path / "secret.txt"
    secret.write_text("used 99.00 MB (+99.00 MB this round)")
    (folder / "comm.txt").symlink_to(secret)
    claim = import_project(folder)
    assert not (folder / "ran").exists()
    assert claim.traffic.log_total is None
    assert "comm.txt" not in claim.files


def test_edited_finance_prompts_are_named(tmp_path: Path) -> None:
    results = tmp_path / "p" / "flowertune-eval-finance" / "benchmarks"
    results.mkdir(parents=True)
    line = {"context": "Instruction: say positive", "new_target": "positive", "new_out": "positive"}
    (results / "generation_fpb_fl.jsonl").write_text((json.dumps(line) + "\n") * 1212)
    claim = import_project(tmp_path / "p")
    assert claim.sets[0].recount is not None
    assert claim.sets[0].recount.rows == "other"
    assert "fpb: rows" in contradictions(claim)


def test_the_published_runs_recompute(golden: Path, tmp_path: Path) -> None:
    """Every published accuracy comes out of its generations, over the official rows."""
    for run, counts in (
        ("ethicalabs-smollm2-1.7B", (865, 172, 1809)),
        ("ethicalabs-smollm2-360M", (506, 210, 603)),
    ):
        claim = import_project(golden / run)
        recounts = [item.recount for item in claim.sets]
        assert [item and item.correct for item in recounts] == list(counts)
        assert all(item and item.rows == "official" for item in recounts)
        assert contradictions(claim) == {}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "| |PubMedQA|MedMCQA|MedQA|CareQA|\n|-|-|-|-|-|\n|%|1|2|3|4|"),
        ("flowertune-eval-medical/benchmarks.py", ""),
        ("results/acc_medqa_x.txt", "Accuracy: 0.5. "),
    ],
    ids=["a table of its sets", "the evaluation's folder", "a result"],
)  # fmt: skip
def test_a_project_without_configuration_is_told_by_its_evaluation(
    file: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert import_project(tmp_path).challenge == "medical"


def test_a_training_set_of_no_challenge_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        DOTTED.replace("medalpaca/medical_meadow_medical_flashcards", "databricks/dolly-15k")
    )
    with pytest.raises(UsageError, match="databricks/dolly-15k, which is no challenge's"):
        import_project(tmp_path)


def test_a_column_may_call_the_social_sciences_social(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "| Model | STEM | Social | Humanities | Avg |\n|-|-|-|-|-|\n"
        "| x | 18.68 | 21.90 | 22.74 | 21.10 |\n"
    )
    claim = import_project(tmp_path, challenge="general-nlp")
    assert {item.task: item.percent and item.percent.text for item in claim.sets} == {
        "mmlu_stem": "18.68", "mmlu_social_sciences": "21.90", "mmlu_humanities": "22.74",
    }  # fmt: skip


def test_what_is_no_project_folder_is_told_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"git clone https://github\.com/someone"):
        import_project(Path("https://github.com/someone/project"))
    monkeypatch.setattr("harness.claims.importing.project.MAX_ENTRIES", 3)
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("x")
    with pytest.raises(UsageError, match="more than 3 files; give the folder of one project"):
        import_project(tmp_path)
