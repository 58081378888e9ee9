"""READMEs in other markup, in other words and in sentences: each form states the same project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plain_project import accuracies, config, project

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.claims.record import ClaimRecord

COUNTED = {"fpb": 827 / 1212, "fiqa": 185 / 304, "tfns": 1612 / 2388}
TABLE = "| FPB | FiQA | TFNS | Average |\n|-|-|-|-|\n| 68.23 | 60.86 | 67.50 | 65.53 |\n"


def contradicting(claim: ClaimRecord) -> set[str]:
    return {item.topic for item in claim_findings(claim) if item.kind == "contradicts"}


def percents(claim: ClaimRecord) -> list[str | None]:
    return [item.percent.text if item.percent else None for item in claim.sets]


SIMPLE_RST = """Ours
====

==== ===== ===== =======
FPB  FiQA  TFNS  Average
==== ===== ===== =======
68.23 60.86 67.50 65.53
==== ===== ===== =======

- **LoRA rank**: 16
"""
GRID_RST = """Ours
====

+-------+-------+-------+---------+
| FPB   | FiQA  | TFNS  | Average |
+=======+=======+=======+=========+
| 68.23 | 60.86 | 67.50 | 65.53   |
+-------+-------+-------+---------+

.. code-block:: toml

   model.lora.peft-lora-r = 16
"""
LIST_RST = """.. list-table:: Scores
   :header-rows: 1

   * - Set
     - Accuracy
   * - FPB
     - 68.23
   * - FiQA
     - 60.86
   * - TFNS
     - 67.50
   * - Average
     - 65.53

- rank: 16
"""


@pytest.mark.parametrize("text", [SIMPLE_RST, GRID_RST, LIST_RST], ids=["simple", "grid", "list"])
def test_a_readme_in_restructured_text_is_read(text: str, tmp_path: Path) -> None:
    files = {"README.md": "", "README.rst": text} | accuracies(**COUNTED)
    claim = import_project(project(tmp_path, files))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.average is not None
    assert claim.average.text == "65.53"
    assert contradicting(claim) == {"setting rank"}


@pytest.mark.parametrize(
    "name", ["README", "README.txt", "Readme.markdown", "README_zh.md", "README.zh-CN.md",
             "RESULTS.md", "docs/results.md", "MODEL_CARD.md"],
)  # fmt: skip
def test_a_readme_is_read_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    files = {"README.md": "# Ours\n", name: TABLE} | accuracies(**COUNTED)
    assert percents(import_project(project(tmp_path, files))) == ["68.23", "60.86", "67.50"]


def test_two_readmes_that_round_in_two_ways_agree(tmp_path: Path) -> None:
    rounded = TABLE.replace("68.23", "68.2")
    claim = import_project(project(tmp_path, {"README.md": TABLE, "RESULTS.md": rounded}))
    assert contradicting(claim) == set()
    assert claim.unread == ()


def test_figures_that_may_be_another_run_s_contradict_nothing(tmp_path: Path) -> None:
    files = {"README.md": TABLE, "results.json": '{"fpb": 50, "fiqa": 50, "tfns": 50}'}
    runs = accuracies(**COUNTED) | accuracies("other", fpb=0.4, fiqa=0.4, tfns=0.4)
    claim = import_project(project(tmp_path, files | runs), run="fl")
    assert contradicting(claim) == set()
    assert "results.json: other figures of fpb, fiqa, tfns, perhaps another run's" in claim.unread


@pytest.mark.parametrize(
    "scores",
    [
        "".join(
            f"![{name}](https://img.shields.io/badge/{name}-{value}%25-green) "
            for name, value in (("FPB", 68.23), ("FiQA", 60.86), ("TFNS", "67.50"),
                                ("Average", 65.53))
        ),
        '```json\n{"fpb": 0.6823, "fiqa": 0.6086, "tfns": 0.6750, "average": 0.6553}\n```',
        '```json\n{\n  "fpb": {\n    "accuracy": 68.23\n  },\n  "fiqa": {\n    "accuracy": 60.86\n'
        '  },\n  "tfns": {\n    "accuracy": 67.50\n  },\n  "average": 65.53\n}\n```',
        "### FPB\nAccuracy: 68.23%\n\n### FiQA\nAccuracy: 60.86%\n\n### TFNS\nAccuracy: 67.50%\n\n"
        "### Average\n65.53%",
        "- FPB\n  - Accuracy: 68.23\n- FiQA\n  - Accuracy: 60.86\n- TFNS\n  - Accuracy: 67.50\n"
        "- Average: 65.53",
        "FPB accuracy is 68.23%, FiQA is 60.86% and TFNS is 67.50%. Average 65.53%.",
        "We get 68.23 % (FPB), 60.86 % (FiQA), and 67.50 % (TFNS); the average is 65.53 %.",
        "- FPB ≈ 68.23%\n- FiQA → 60.86%\n- TFNS -> 67.50%\n- Average ≈ 65.53%",
        "- FPB: ~~50.00~~ 68.23 %\n- FiQA: 60.86 %\n- TFNS: <del>1.00</del> 67.50 %\n"
        "- Avg: 65.53 %",
        "- FPB: ６８．２３%\n- FiQA：60.86%\n- TFNS: 67.50%\n- 平均：65.53%",
        "- FPB: 68,23%\n- FiQA: 60,86%\n- TFNS: 67,50%\n- Média: 65,53%",
        "- FPB: 68.23\n- FiQA: 60.86\n- TFNS: 67.50\n- 평균: 65.53",
    ],
    ids=["badges", "json", "nested json", "headings", "nested bullets", "sentence",
         "names in brackets", "arrows", "struck out", "wide digits", "Portuguese", "Korean"],
)  # fmt: skip
def test_scores_in_other_layouts(scores: str, tmp_path: Path) -> None:
    files = {"README.md": f"# Ours\n\n{scores}\n"} | accuracies(**COUNTED)
    claim = import_project(project(tmp_path, files))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.average is not None
    assert claim.average.text == "65.53"
    assert contradicting(claim) == set()


CARD = """---
library_name: peft
model-index:
- name: ours
  results:
  - task:
      type: text-classification
    dataset:
      name: FPB
      type: flwrlabs/fpb
    metrics:
    - type: accuracy
      value: 68.23
    - type: f1
      value: 11.11
  - dataset:
      name: FiQA
    metrics:
    - type: accuracy
      value: 60.86
  - dataset:
      name: TFNS
    metrics:
    - type: accuracy
      value: 67.50
---
# Ours
"""


def test_a_model_card_s_index_is_read_and_its_other_metrics_are_not(tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": CARD} | accuracies(**COUNTED)))
    assert percents(claim) == ["68.23", "60.86", "67.50"]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("- Rounds: 1,000", "rounds", 1000),
        ("- Rounds: 1.000", "rounds", 1000),
        ("- Dropout: 0,075", "dropout", 0.075),
        ("- Max LR: 5×10⁻⁵", "learning_rate_max", 5e-5),
        ("- Max LR: 5 x 10^-5", "learning_rate_max", 5e-5),
        ("- LR max: $5 \\times 10^{-5}$", "learning_rate_max", None),
        ("- Fraction: 1/10", "fraction", 0.1),
        ("- Rank: ~~64~~ 8", "rank", 8),
        ("- Batch size: 2 x 8", "batch_size", None),
        ("- Alpha: 2 * rank", "alpha", None),
        ("- Alpha: 2× rank", "alpha", None),
        ("- Rank: 16, 32", "rank", None),
        ("- Rank: 16–64", "rank", None),
        ("- Rank: 16 or 32", "rank", None),
        ("- Rank: 16, Alpha: 32", "rank", 16),
    ],
)
def test_a_value_is_what_is_written_or_nothing(
    line: str, field: str, value: object, tmp_path: Path
) -> None:
    claim = import_project(project(tmp_path, {"README.md": f"# Ours\n\n{line}\n"}))
    assert getattr(claim.stated, field) == value


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("We trained a DoRA adapter of rank 16 and alpha 32 for 20 federated rounds.",
         {"setting rank", "setting alpha", "setting rounds"}),
        ("The LoRA rank was set to 16. Training ran for 20 rounds, sampling 20% of the clients.",
         {"setting rank", "setting rounds", "setting fraction"}),
        ("It is a rank-16 LoRA adapter.", {"setting rank"}),
        ("The federation has 20 SuperNodes.", {"setting num_supernodes"}),
        ("LoRA of rank 8 with alpha 16, trained for 10 rounds on 50 SuperNodes.", set()),
        ("Checkpoints are saved every 5 rounds. After 3 rounds of training the loss is 2.", set()),
        ("Compared with a LoRA of rank 32 nothing is lost. Upstream trains for 200 rounds.", set()),
        ("Our adapter ranks 3 of 20. The model is of rank 1 on the leaderboard.", set()),
        ("For a quick trial, run it with 3 rounds. Training for 200 rounds takes 4 h.", set()),
        ("The template is trained for 200 rounds. A LoRA of rank 64 needs 24 GB.", set()),
        ("A warmup of 2 rounds was run. 2 of 50 supernodes are asked each round.", set()),
    ],
)  # fmt: skip
def test_settings_in_sentences_are_compared(sentence: str, found: set[str], tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": f"# Ours\n\n{sentence}\n"}))
    assert contradicting(claim) == found


@pytest.mark.parametrize(
    "block",
    [
        "```python\nconfig = LoraConfig(\n    r=16, lora_alpha=32, ...\n)\n```",
        '```json\n{"peft_lora_r": 16,\n "peft_lora_alpha": 32}\n```',
    ],
    ids=["python", "json"],
)
def test_settings_in_a_readme_s_code_are_compared(block: str, tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": f"# Ours\n\n{block}\n"}))
    assert contradicting(claim) == {"setting rank", "setting alpha"}


@pytest.mark.parametrize(
    "line",
    ["The total communication was 1234.5 megabytes.", "Kommunikation: 1.234,5 MB",
     "Data exchanged: 1,234.5 MB", "通信量：1234.5 MB", "Communication: 1 234.5 MB"],
)  # fmt: skip
def test_communication_in_other_words(line: str, tmp_path: Path) -> None:
    stated = import_project(project(tmp_path, {"README.md": f"# Ours\n\n{line}\n"})).traffic.stated
    assert stated is not None
    assert float(stated.text) == 1234.5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RESULTS.md", TABLE.replace("60.86", "61.86")),
        ("results.json", '{"fpb": 0.6823, "fiqa": 0.6186, "tfns": 0.6750}'),
        ("results/metrics.csv", "dataset,accuracy\nFPB,68.23\nFiQA,61.86\nTFNS,67.50\n"),
        ("try.ipynb", json.dumps({"cells": [
            {"cell_type": "markdown", "source": ["# Scores\n"]},
            {"cell_type": "code", "source": ["show()"], "outputs": [
                {"output_type": "stream", "text": ["FPB: 68.23\n", "FiQA: 61.86\n", "TFNS: 67.5\n"]}
            ]},
        ]})),
    ],
)  # fmt: skip
def test_a_figure_that_another_file_contradicts_is_told(
    name: str, text: str, tmp_path: Path
) -> None:
    claim = import_project(project(tmp_path, {"README.md": TABLE, name: text}))
    assert contradicting(claim) == {f"fiqa: {name}"}
    agreeing = text.replace("61.86", "60.86").replace("0.6186", "0.6086")
    claim = import_project(project(tmp_path, {name: agreeing}))
    assert contradicting(claim) == set()


FRACTIONS = "- FPB: 0.6823\n- FiQA: 0.6086\n- TFNS: 0.6750\n"


@pytest.mark.parametrize(
    ("readme", "files", "found"),
    [
        (FRACTIONS, {}, set()),
        (FRACTIONS + "- Average: 65.53 %\n", {}, set()),
        (FRACTIONS + "- Average: 0.6653\n", {}, {"average"}),
        (FRACTIONS + "- Average: 0.6653\n", COUNTED, {"average", "average of the files"}),
        (FRACTIONS.replace("0.6823", "0.7822"), COUNTED, {"fpb: README"}),
        ("- FPB: 0.6749\n- FiQA: 0.6086\n- TFNS: 0.6822\n", COUNTED,
         {"fpb: README", "tfns: README"}),
    ],
)  # fmt: skip
def test_fractions_with_one_wrong_figure_stay_fractions(
    readme: str, files: dict[str, float], found: set[str], tmp_path: Path
) -> None:
    claim = import_project(project(tmp_path, {"README.md": readme} | accuracies(**files)))
    assert contradicting(claim) == found


@pytest.mark.parametrize(
    ("board", "readme", "figures"),
    [
        ("code", "| Benchmark | pass@1 |\n|-|-|\n| MBPP | 25.6 |\n| HumanEval | 37.8 |\n"
         "| JavaScript | 40.99 |\n| C++ | 32.92 |\n| Average | 34.33 |\n",
         ["25.6", "37.8", "40.99", "32.92", "34.33"]),
        ("general-nlp", "- MMLU STEM: 31.72%\n- MMLU Social Sciences: 32.50%\n"
         "- MMLU Humanities: 31.88%\n- MMLU average: 32.03%\n",
         ["31.72", "32.50", "31.88", "32.03"]),
        ("finance", "| Set | % |\n|-|-|\n| Financial Phrase Bank | 68.23 |\n| Financial Question"
         " Answering | 60.86 |\n| Twitter Financial News | 67.50 |\n| Macro avg. | 65.53 |\n",
         ["68.23", "60.86", "67.50", "65.53"]),
    ],
)  # fmt: skip
def test_sets_are_known_by_their_long_names(
    board: str, readme: str, figures: list[str], tmp_path: Path
) -> None:
    files = {"pyproject.toml": config(board=board), "README.md": readme}
    claim = import_project(project(tmp_path, files))
    assert [*percents(claim), claim.average and claim.average.text] == figures
