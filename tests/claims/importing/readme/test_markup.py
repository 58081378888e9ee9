"""Scores and settings are read however a README marks them up, and none is invented."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from plain_project import CODE, accuracies, config, project

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.claims.record import ClaimRecord

FILES = accuracies(fpb=827 / 1212, fiqa=185 / 304, tfns=1612 / 2388)
TRUE, WRONG = ("68.23", "60.86", "67.50"), ("70.05", "60.86", "67.50")
"""What the accuracy files give, and a row in which one figure is another."""
HEADING = "| FPB | FiQA | TFNS |\n|---|---|---|\n"
OURS, THEIRS = "| FPB | {} | 44.55 |\n| FiQA | {} | 62.50 |\n", "| TFNS | {} | 28.77 |\n"

FORMS = {
    "html": "<table><tr><th>FPB</th><th>FiQA</th><th>TFNS</th></tr>\n<tr>\n<td><b>{}</b></td>\n"
    "<td align='right'>{}</td><td>{}%<sup>1</sup></td></tr></table>\n",
    "no pipes at the edges": "Set | Accuracy\n--- | ---\nFPB | {}\nFiQA | {}\nTFNS | {}\n",
    "emoji": HEADING.replace("FPB", "📊 FPB") + "| ✅ {}% | {} 🎉 | **{}** |\n",
    "long names": "| Financial PhraseBank (FPB) | FiQA-SA Acc (%) | TFNS accuracy |\n|-|-|-|\n"
    "| {} | {} | {} |\n",
    "changes": HEADING + "| {} (+23.68) | {} (-1.64) | {} (+38.73) |\n",
    "rows of all": "| Set | Accuracy |\n|-|-|\n| FPB | 827/1212 ({}%) |\n| FiQA | 185/304 ({}%) |\n"
    "| TFNS | 1612/2388 ({}%) |\n",
    "LaTeX": HEADING + r"| ${}$ | ${}\%$ | {} \% |" + "\n",
    "numbered": "1. FPB ({}%)\n2. FiQA ({}%)\n3. TFNS ({}%)\n",
    "sentence": "We reach {}% (FPB), {}% (FiQA) and {}% (TFNS).\n",
    "quotation": "> " + HEADING.replace("\n|-", "\n> |-") + "> | {} | {} | {} |\n",
    "mark of order": "\ufeff" + HEADING + "| {} | {} | {} |\n",
    "mark of direction": "\u202e" + HEADING + "| {} | {} | {} |\n",
    "commented": f"<!-- {HEADING}| 1 | 2 | 3 | -->\n\n{HEADING}| {{}} | {{}} | {{}} |\n",
    "short row": "| FPB | FiQA | TFNS | Note |\n|---|---|---|---|\n| {} | {} | {} |\n",
    "counts": "| Set | Rows | Accuracy |\n|-|-|-|\n| FPB | 1212 | {} |\n| FiQA | 304 | {} |\n"
    "| TFNS | 2388 | {} |\n",
    "baseline": "| Set | Ours | Baseline |\n|-|-|-|\n" + OURS + THEIRS,
    "gain": "| Set | After | Gain |\n|-|-|-|\n" + OURS + THEIRS,
    "other model": "| Model | FPB | FiQA | TFNS |\n|-|-|-|-|\n| one | 44.55 | 62.50 | 28.77 |\n"
    "| another | {} | {} | {} |\n",
    "lists of two models": "### SmolLM2-360M\n- FPB: 44.55\n- FiQA: 62.50\n- TFNS: 28.77\n"
    "### SmolLM2-135M\n- FPB: {}\n- FiQA: {}\n- TFNS: {}\n",
}


def contradictions(claim: ClaimRecord) -> set[str]:
    return {i.topic for i in claim_findings(claim) if i.kind == "contradicts"}


@pytest.mark.parametrize("form", FORMS)
def test_a_figure_that_its_files_do_not_give_is_found_in_every_form(
    form: str, tmp_path: Path
) -> None:
    for name, scores, found in (("true", TRUE, set()), ("wrong", WRONG, {"fpb: README"})):
        readme = {"README.md": FORMS[form].format(*scores)}
        claim = import_project(project(tmp_path / name, readme | FILES))
        assert [item.percent.text for item in claim.sets if item.percent] == list(scores)
        assert contradictions(claim) == found


@pytest.mark.parametrize(
    "readme",
    [
        "- FPB: 68,23 %\n- FiQA: 60,86 %\n- TFNS: 67,50 %\n- Durchschnitt: 65,53 %\n",
        "| 数据集 | 准确率 |\n|-|-|\n| FPB | 68.23 |\n| FiQA | 60.86 |\n| TFNS | 67.50 |\n"
        "| 平均 | 65.53 |\n",
        "| Set | Fraction | Percent |\n|-|-|-|\n| FPB | 0.6823 | 68.23 |\n"
        "| FiQA | 0.6086 | 60.86 |\n| TFNS | 0.6750 | 67.50 |\n| Average (%) | 0.6553 | 65.53 |\n",
    ],
)
def test_other_languages_and_the_same_figures_twice_are_read(readme: str, tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": readme} | FILES))
    assert [item.percent.text for item in claim.sets if item.percent] == list(TRUE)
    assert claim.average is not None
    assert claim.average.text == "65.53"
    assert contradictions(claim) == set()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_files_that_windows_wrote_are_read(encoding: str, tmp_path: Path) -> None:
    folder = project(tmp_path, FILES)
    readme = "- FPB: 70.05\r\n- FiQA: 60.86\r\n- TFNS: 67.50\r\n"
    (folder / "README.md").write_bytes(readme.encode(encoding))
    (folder / "pyproject.toml").write_bytes(config().replace("\n", "\r\n").encode(encoding))
    claim = import_project(folder)
    assert claim.config.rank == 8
    assert contradictions(claim) == {"fpb: README"}


def test_a_set_with_two_figures_is_named(tmp_path: Path) -> None:
    readme = "- FPB: 68.23\n- FPB: 70.05\n- FiQA: 60.86\n- TFNS: 67.50\n"
    claim = import_project(project(tmp_path, {"README.md": readme} | FILES))
    assert "README.md: fpb is 68.23 and 70.05; which one is not certain" in claim.unread


@pytest.mark.parametrize(
    ("line", "figure", "unit"),
    [
        ("Communication Budget: 3.852,42 MB", "3852.42", "MB"),
        ("Communication budget: 0,75 GiB", "0.75", "GiB"),
        ("Communication cost: 12,939,428 bytes", "12939428", "bytes"),
        ("**Total communication cost:** ≈ 11,005.66 MB (about 10.75 GB)", "11005.66", "MB"),
        ("## Communication Budget\n\nThe total is 99.99 MB over 10 rounds.", "99.99", "MB"),
        ("| FPB | FiQA | TFNS | Comm. (GB) |\n|-|-|-|-|\n| 1 | 2 | 3 | 0.75 |", "0.75", "GB"),
    ],
)
def test_a_figure_of_communication_has_the_unit_and_the_commas_of_its_writer(
    line: str, figure: str, unit: str, tmp_path: Path
) -> None:
    stated = import_project(project(tmp_path, {"README.md": line})).traffic.stated
    assert stated is not None
    assert (stated.text, stated.unit) == (figure, unit)


def test_what_a_command_of_the_readme_changes_is_compared(tmp_path: Path) -> None:
    """`--run-config` replaces even what the challenge fixes, without a word of Flower's."""
    readme = (
        "```sh\nflwr run . --run-config \"num-server-rounds=77 static.dataset.name='a/other'\" \\\n"
        "  --federation-config 'num-supernodes=20'\n```\n"
    )
    silent = config().partition("[tool.flwr.federations")[0]
    files = {"README.md": readme, "pyproject.toml": silent}
    found = contradictions(import_project(project(tmp_path, files)))
    assert found == {"setting rounds", "data set", "supernodes"}


def test_commands_that_may_be_tried_are_no_statements(tmp_path: Path) -> None:
    readme = (
        "Run it: `flwr run .`. Below are a few settings you might want to test:\n\n```sh\n"
        'flwr run . --run-config "num-server-rounds=50 strategy.fraction-fit=0.25"\n```\n'
    )
    assert contradictions(import_project(project(tmp_path, {"README.md": readme}))) == set()


def test_a_readme_of_another_board_s_evaluation_is_not_this_one_s(tmp_path: Path) -> None:
    link = "[ours](https://huggingface.co/datasets/flwrlabs/alpaca-gpt4)"
    files = {
        "README.md": link,
        "pyproject.toml": "[project]\n",
        "flowertune-eval-general-nlp/README.md": "python eval.py --batch-size=16\n",
        "evaluation/code/README.md": "python eval.py --batch-size=4 --quantization=8\n",
        "flowertune-eval-finance/README.md": "python eval.py --batch-size=8\n",
    }
    found = claim_findings(import_project(project(tmp_path, files), challenge="finance"))
    told = [(i.topic, i.found) for i in found if i.kind == "contradicts"]
    assert told == [("evaluation command", "flowertune-eval-finance/README.md: --batch-size=8")]
    assert ("data set", "a link to flwrlabs/alpaca-gpt4 alone") in [
        (i.topic, i.found) for i in found
    ]


def test_the_default_of_several_federations_is_the_run_s(tmp_path: Path) -> None:
    gpu = '[tool.flwr.federations]\ndefault = "gpu"\n[tool.flwr.federations.gpu]\n'
    two = f"{config()}{gpu}options.num-supernodes = 20\n"
    claim = import_project(project(tmp_path / "a", {"pyproject.toml": two}))
    assert claim.config.num_supernodes == 20
    claim = import_project(
        project(tmp_path / "b", {"pyproject.toml": two.replace('default = "gpu"', "")})
    )
    assert "federations of 20 and 50 supernodes, and none is the default" in claim.unread[-1]


def test_code_of_a_notebook_is_read(tmp_path: Path) -> None:
    call = CODE.format(arguments="use_dora=True, target_modules=['q_proj']")
    cells = [{"cell_type": "code", "source": ["%pip install peft\n", *call.splitlines(True)]},
             {"cell_type": "markdown", "source": "LoraConfig(r=3)"}]  # fmt: skip
    claim = import_project(project(tmp_path, {"train.ipynb": json.dumps({"cells": cells})}))
    assert (claim.config.dora, claim.config.targets) == (True, ("q_proj",))


@pytest.mark.parametrize("notebook", ["", "[]", '{"cells": 3}', '{"cells": [{"source": 4}, 5]}'])
def test_a_notebook_that_is_none_says_nothing(notebook: str, tmp_path: Path) -> None:
    assert import_project(project(tmp_path, {"train.ipynb": notebook})).config.dora is None


def test_a_model_in_the_hub_s_cache_is_that_model(tmp_path: Path) -> None:
    base = "/home/x/.cache/huggingface/hub/models--HuggingFaceTB--SmolLM2-135M/snapshots/12fd"
    adapter = json.dumps({"base_model_name_or_path": base, "r": 8, "lora_alpha": 16})
    claim = import_project(project(tmp_path, {"out/adapter_config.json": adapter}))
    assert contradictions(claim) == set()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("rank_pattern", {"q_proj": 64}, "rank_pattern"),
        ("modules_to_save", ["lm_head"], "modules_to_save"),
        ("peft_type", "IA3", "peft_type IA3"),
        ("peft_type", "\ud800", "peft_type ?"),
        ("target_modules", r".*\.(q|v)_proj", "an expression as target_modules"),
    ],
)
def test_an_adapter_of_other_tensors_is_not_blamed_for_its_figure(
    field: str, value: object, named: str, tmp_path: Path
) -> None:
    adapter = {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]} | {field: value}
    files = {
        "README.md": "Communication budget: 1234.56 MB\n",
        "out/adapter_config.json": json.dumps(adapter),
    }
    claim = import_project(project(tmp_path, files))
    [told] = [i for i in claim_findings(claim) if i.topic.startswith("communication")]
    assert (told.kind, told.expected) == ("missing", f"cannot be checked: its adapter has {named}")


@pytest.mark.parametrize("said", ["Accuracy: 68.23. ", "Accuracy: 0.1\nAccuracy: 0.2\n", ""])
def test_an_accuracy_file_that_says_no_fraction_is_quoted(said: str, tmp_path: Path) -> None:
    files = {"flowertune-eval/benchmarks/acc_fpb_fl.txt": said}
    claim = import_project(project(tmp_path, files))
    expected = f"{said.strip()!r}; expected one accuracy between 0 and 1"
    assert [item for item in claim.unread if item.endswith(expected)]


@pytest.mark.parametrize("bait", ["<table", "<table><tr", "<!--", "a|b\n-|-\n", "\n", "# a\n", "`"])
def test_a_readme_of_2_mb_is_read_at_once(bait: str, tmp_path: Path) -> None:
    readme = {"README.md": bait * (1_900_000 // len(bait))}
    started = time.process_time()
    claim = import_project(project(tmp_path, readme))
    assert time.process_time() - started < 5
    assert "README.md: what stands behind its first 200,000 characters" in claim.unread
