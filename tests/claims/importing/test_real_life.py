"""Projects as people publish them: each case is the smallest project that was once read wrongly."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from plain_project import CODE, accuracies, config, project

from harness.claims.findings import claim_findings
from harness.claims.importing.claim import import_project
from harness.claims.importing.config import MAX_MENDED_CHARACTERS
from harness.claims.importing.readme.sections import part_of_run
from harness.claims.record import ClaimRecord
from harness.errors import UsageError


def contradictions(claim: ClaimRecord) -> dict[str, str]:
    return {i.topic: f"{i.found} | {i.expected}" for i in claim_findings(claim)
            if i.kind == "contradicts"}  # fmt: skip


def percents(claim: ClaimRecord) -> list[str | None]:
    return [item.percent.text if item.percent else None for item in claim.sets]


COUNTED = {"fpb": 827 / 1212, "fiqa": 185 / 304, "tfns": 1612 / 2388}


@pytest.mark.parametrize(
    "scores",
    [
        "- **FPB**: 0.6823\n- **FiQA**: 0.6086\n- **TFNS**: 0.6750\n- **Average**: 0.6553\n",
        "| FPB | FiQA | TFNS | Average |\n|:-:|:-:|:-:|:-:|\n"
        "| 0.6823 | 0.6086 | 0.6750 | 0.6553 |\n",
    ],
)
def test_figures_between_0_and_1_are_fractions_where_everything_says_so(
    scores: str, tmp_path: Path
) -> None:
    claim = import_project(project(tmp_path, {"README.md": scores} | accuracies(**COUNTED)))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.average is not None
    assert (claim.average.text, claim.average.unit) == ("65.53", "%")
    assert claim.average.written == "0.6553"
    assert contradictions(claim) == {}


def test_one_figure_a_hundred_times_too_small_stays_a_contradiction(tmp_path: Path) -> None:
    readme = "- FPB: 54.20 %\n- FiQA: 0.09 %\n- TFNS: 67.50 %\n- Average: 40.60 %\n"
    files = accuracies(fpb=657 / 1212, fiqa=28 / 304, tfns=1612 / 2388)
    found = contradictions(import_project(project(tmp_path, {"README.md": readme} | files)))
    assert "fiqa: README" in found


def test_small_figures_that_the_files_do_not_bear_out_are_no_fractions(tmp_path: Path) -> None:
    """0.15 beside an accuracy of 0.188: a figure in percent that is wrong."""
    readme = "- FPB: 0.15\n- FiQA: 0\n- TFNS: 0.15\n- Average: 0.10\n"
    files = accuracies(fpb=0.188, fiqa=0.0, tfns=0.0015)
    claim = import_project(project(tmp_path, {"README.md": readme} | files))
    assert percents(claim) == ["0.15", "0", "0.15"]
    assert "fpb: README" in contradictions(claim)


def test_swapped_figures_in_fractions_are_still_found(tmp_path: Path) -> None:
    readme = "- FPB: 0.6823\n- FiQA: 0.6750\n- TFNS: 0.6086\n- Average: 0.6553\n"
    found = contradictions(
        import_project(project(tmp_path, {"README.md": readme} | accuracies(**COUNTED)))
    )
    assert {"fiqa: README", "tfns: README"} <= found.keys()


def test_the_adapter_s_own_configuration_is_compared(tmp_path: Path) -> None:
    adapter = {
        "base_model_name_or_path": "Qwen/Qwen2.5-0.5B", "r": 16, "lora_alpha": 32, "use_dora": True,
    }  # fmt: skip
    files = {
        "pyproject.toml": config(model="meta-llama/Llama-3.2-1B", rank=32, alpha=64),
        "results/adapter_config.json": json.dumps(adapter),
    }
    found = contradictions(import_project(project(tmp_path, files)))
    assert found.keys() == {"setting model", "setting rank", "setting alpha"}


def test_a_toml_block_in_the_readme_is_compared(tmp_path: Path) -> None:
    block = (
        '```toml\nmodel.name = "bigcode/starcoder2-7b"\nmodel.lora.peft-lora-r = 8\n'
        "model.lora.peft-lora-alpha = 16\nnum-server-rounds = 50\n```\n"
    )
    files = {
        "README.md": f"# Ours\n\n#### Training\n\n{block}",
        "pyproject.toml": config(model="Qwen/Qwen2.5-0.5B", rank=32, alpha=64, rounds=100),
    }
    found = contradictions(import_project(project(tmp_path, files)))
    assert found.keys() == {"setting model", "setting rank", "setting alpha", "setting rounds"}


def test_what_a_challenge_fixes_is_read_in_the_readme_s_toml_too(tmp_path: Path) -> None:
    block = (
        '```toml\n[tool.flwr.app.config]\nstatic.dataset.name = "someone/evaluation-rows"\n'
        "[tool.flwr.federations.local-simulation]\noptions.num-supernodes = 20\n```\n"
    )
    silent = config().partition("[tool.flwr.federations")[0]
    files = {"README.md": block, "pyproject.toml": silent}
    found = contradictions(import_project(project(tmp_path, files)))
    assert "README.md (its TOML): someone/evaluation-rows |" in found["data set"]
    assert found["supernodes"] == "20 | 50"
    links = "[rows](https://huggingface.co/datasets/someone/evaluation-rows)"
    linked = import_project(project(tmp_path, {"README.md": links}))
    assert contradictions(linked) == {}


@pytest.mark.parametrize(
    "line",
    ["- **Dataset**: someone/my-rows", "Training dataset: `someone/my-rows` (76,772 rows)",
     "* Dataset: [someone/my-rows](https://huggingface.co/datasets/someone/my-rows).",
     "| Setting | Value |\n|-|-|\n| Dataset | someone/my-rows |",
     "## Results\n\n### FPB\n\n## Latest run\n\n- Dataset: someone/my-rows"],
)  # fmt: skip
def test_a_data_set_that_a_list_names_is_the_run_s(line: str, tmp_path: Path) -> None:
    expected = "README.md (its data set): someone/my-rows | flwrlabs/fingpt-sentiment-train"
    links = "See [rows](https://huggingface.co/datasets/someone/evaluation-rows).\n"
    files = {"README.md": f"# Ours\n\n{links}\n{line}\n", "pyproject.toml": config()}
    assert contradictions(import_project(project(tmp_path, files)))["data set"] == expected


@pytest.mark.parametrize(
    "line",
    ["- **Dataset**: flwrlabs/fingpt-sentiment-train", "- Dataset: FinGPT/fingpt-sentiment-train",
     "- Evaluation dataset: someone/my-rows", "- Dataset: train/test split", "- Dataset: 80/20",
     "- Dataset: FPB/FiQA/TFNS", "- Dataset: data/train.json", "- Dataset: flwrlabs",
     "## Evaluation\n\n### FPB\n\n- **Dataset**: nickmuchi/financial-classification",
     "```python\ndataset = someone/my-rows\n```", "The dataset is someone/my-rows"],
)  # fmt: skip
def test_what_a_list_names_as_another_data_set_is_no_setting(line: str, tmp_path: Path) -> None:
    files = {"README.md": f"# Ours\n\n{line}\n", "pyproject.toml": config()}
    assert contradictions(import_project(project(tmp_path, files))) == {}


def test_more_than_every_row_is_no_accuracy(tmp_path: Path) -> None:
    scores = "| FPB | FiQA | TFNS | Average |\n|-|-|-|-|\n| 168.23 | 60.86 | 67.50 | 98.86 |\n"
    found = contradictions(import_project(project(tmp_path, {"README.md": scores})))
    assert found["fpb: possible"].endswith("k/1212: 100.00 % is nearest")


def test_a_cell_that_is_no_figure_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    scores = "| FPB | FiQA | TFNS | Average |\n|-|-|-|-|\n| 168.23 | **nan** | 67.50 | 98.86 |\n"
    claim = import_project(project(tmp_path, {"README.md": scores}))
    assert percents(claim) == ["168.23", None, "67.50"]
    assert "README.md: the figure of fiqa is '**nan**'; expected percent" in claim.unread
    assert "fpb: possible" in contradictions(claim)


FUSED = json.dumps({"target_modules": ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]})


def test_target_modules_that_a_model_lacks_add_nothing_to_its_messages(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": config("code", "codellama/CodeLlama-7b-hf", 32, 64, 100),
        "README.md": "# Ours\n\n#### Communication Cost\n\n25606 MB\n",
        "results/adapter_config.json": FUSED,
    }
    found = contradictions(import_project(project(tmp_path, files)))
    assert "36406.25 MiB" in found["communication"]


def test_a_model_whose_shapes_are_not_known_is_said_to_be_unchecked(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": config("code", "bigcode/starcoder2-7b", 32, 64, 100),
        "README.md": "# Ours\n\n#### Communication Cost\n\n25606 MB\n",
        "results/adapter_config.json": FUSED,
    }
    claim = import_project(project(tmp_path, files))
    [line] = [i for i in claim_findings(claim) if i.topic == "communication: shapes"]
    assert line.kind == "missing"
    assert "cannot be checked" in line.expected
    assert "starcoder2-7b" in line.expected


SERIES = {
    "pyproject.toml": config(model="HuggingFaceTB/SmolLM2-360M", rounds=300),
    "pyproject_SmolLM2-135M.toml": config(model="HuggingFaceTB/SmolLM2-135M", rounds=100),
    "pyproject_SmolLM2-135M-Instruct.toml": config(
        model="HuggingFaceTB/SmolLM2-135M-Instruct", rounds=150
    ),
    "pyproject_SmolLM2-360M.toml": config(model="HuggingFaceTB/SmolLM2-360M", rounds=300),
}


@pytest.mark.parametrize(
    ("run", "model", "rounds"),
    [
        ("eval_SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M", 100),
        ("eval_SmolLM2-135M-Instruct_100round", "HuggingFaceTB/SmolLM2-135M-Instruct", 150),
        ("eval_SmolLM2-360M", "HuggingFaceTB/SmolLM2-360M", 300),
    ],
)
def test_each_run_of_a_series_has_the_configuration_of_its_name(
    run: str, model: str, rounds: int, tmp_path: Path
) -> None:
    files = dict(SERIES)
    for name in ("SmolLM2-135M", "SmolLM2-135M-Instruct_100round", "SmolLM2-360M"):
        files |= accuracies(f"eval_{name}", **COUNTED)
    claim = import_project(project(tmp_path, files), run=run)
    assert (claim.config.model, claim.config.rounds) == (model, rounds)
    assert contradictions(claim) == {}
    # Other runs' configurations were looked at, and are no part of this claim.
    assert [name for name in claim.files if name.endswith(".toml")] == [
        f"pyproject_{model.rpartition('/')[2]}.toml"
    ]


def test_a_table_with_one_set_a_row_is_read(tmp_path: Path) -> None:
    readme = (
        "| Dataset | Accuracy (%) |\n|---|---|\n| FPB | 68.23 |\n| FiQA | 60.86 |\n"
        "| TFNS | 67.50 |\n| **Average** | **65.53** |\n"
    )
    claim = import_project(project(tmp_path, {"README.md": readme}))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.average is not None
    assert claim.average.text == "65.53"


def test_of_a_table_with_one_model_a_column_the_run_s_is_read(tmp_path: Path) -> None:
    readme = (
        "| | SmolLM2-135M | SmolLM2-360M |\n|---|---|---|\n| FPB | 68.23 | 70.00 |\n"
        "| FiQA | 60.86 | 61.00 |\n| TFNS | 67.50 | 71.00 |\n| Comm | 747.07 MB | 1321.88 MB |\n"
    )
    claim = import_project(project(tmp_path, {"README.md": readme}))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.traffic.stated is not None
    assert claim.traffic.stated.text == "747.07"


@pytest.mark.parametrize(
    "line",
    [
        "- **Communication Budget**: `12.34 MB`",
        "**Communication budget: 12.34 MB**",
        "### Communication Budget\n\n12.34 MB",
        "| Communication budget | 12.34 MB |\n|---|---|\n| rounds | 10 |",
        "Communication costs: ~12.34 MB in total",
    ],
)
def test_a_figure_of_communication_is_read_however_it_is_marked(line: str, tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": f"# Ours\n\n{line}\n"}))
    assert claim.traffic.stated is not None
    assert (claim.traffic.stated.text, claim.traffic.stated.unit) == ("12.34", "MB")


def test_scores_in_the_evaluation_s_readme_are_read(tmp_path: Path) -> None:
    table = "| | FPB | FiQA | TFNS | Avg |\n|-|-|-|-|-|\n| ours | 68.23 | 60.86 | 67.50 | 65.53 |\n"
    claim = import_project(project(tmp_path, {"flowertune-eval-finance/README.md": table}))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.average is not None
    assert claim.average.file == "flowertune-eval-finance/README.md"


def test_the_project_s_own_scores_go_before_its_evaluation_s(tmp_path: Path) -> None:
    own = "- FPB: 68.23 %\n- FiQA: 60.86 %\n- TFNS: 67.50 %\n"
    table = "| | FPB | FiQA | TFNS |\n|-|-|-|-|\n| other | 10.00 | 20.00 | 30.00 |\n"
    files = {"README.md": own, "flowertune-eval-finance/README.md": table}
    assert percents(import_project(project(tmp_path, files))) == ["68.23", "60.86", "67.50"]


def test_a_figure_that_is_exact_with_one_more_target_blames_neither_alone(tmp_path: Path) -> None:
    names = ("down_proj", "up_proj", "o_proj", "q_proj", "k_proj", "v_proj")
    listed = "".join(f"    - `{name}`,\n" for name in names)
    readme = (
        f"# Ours\n\n- **DoRA Configuration**:\n  - Target Modules:\n{listed}\n"
        "### Communication Budget\n\n4126.86 MB\n"
    )
    files = {
        "pyproject.toml": config(
            "medical", "Qwen/Qwen3-0.6B", 8, 16, 50, "model.lora.peft-use-dora = true"
        ),
        "README.md": readme,
    }
    claim = import_project(project(tmp_path, files))
    assert set(claim.config.targets or ()) == set(names)
    found = contradictions(claim)["communication"]
    assert "exact with gate_proj" in found
    assert "contradict each other" in found


def test_an_evaluation_command_of_another_batch_is_named(tmp_path: Path) -> None:
    command = (
        "```bash\npython eval.py \\\n--peft-path=x \\\n--batch-size=1 \\\n--quantization=8\n```\n"
    )
    found = import_project(project(tmp_path, {"README.md": command}))
    lines = [i for i in claim_findings(found) if i.topic == "evaluation command"]
    assert [(i.found, i.expected.split(";")[0]) for i in lines] == [
        ("README.md: --batch-size=1", "32"),
        ("README.md: --quantization=8", "4"),
    ]
    assert "pads" in lines[0].expected


def test_the_official_evaluation_command_is_no_finding(tmp_path: Path) -> None:
    command = "```bash\npython eval.py --batch-size=32 \\\n--quantization=4 --datasets=fpb\n```\n"
    claim = import_project(project(tmp_path, {"README.md": command}))
    assert claim.unofficial_commands == ()


@pytest.mark.parametrize(
    ("arguments", "readme", "dora", "contradicted"),
    [
        ('use_dora=True, target_modules=["q_proj", "v_proj"]', "We use LoRA.", True, True),
        ('use_dora=True, target_modules=["q_proj", "v_proj"]', "We use DoRA.", True, False),
        ('target_modules=["q_proj", "v_proj"]', "Fine-tuning with DoRA.", False, True),
        ("use_dora=cfg.dora", "We use LoRA.", False, False),
    ],
)
def test_what_the_code_asks_of_peft_is_read_and_compared(
    arguments: str, readme: str, dora: bool, contradicted: bool, tmp_path: Path
) -> None:
    files = {
        "app/models.py": CODE.format(arguments=arguments),
        "README.md": f"# Ours\n\n{readme}\n",
    }
    claim = import_project(project(tmp_path, files))
    assert claim.config.dora is dora
    assert ("setting dora" in contradictions(claim)) is contradicted
    if "target_modules" in arguments:
        assert claim.config.targets == ("q_proj", "v_proj")


def test_code_is_read_and_never_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\n" + CODE.format(arguments="use_dora=True")
    import_project(project(tmp_path / "p", {"app/models.py": code}))
    assert not (tmp_path / "ran").exists()


LOG = "used {total:.2f} MB (+{step:.2f} MB this round) / 200,000 MB\n"


@pytest.mark.parametrize(
    "targets", ['"all"', '"q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"']
)
def test_target_modules_may_be_one_word_or_one_string(targets: str, tmp_path: Path) -> None:
    files = {
        "pyproject.toml": config(
            "finance", "Qwen/Qwen2.5-7B", 4, 8, 10,
            f"model.lora.peft-lora-target-modules = {targets}",
        ),
        "comm_cost.txt": "".join(
            LOG.format(total=192.739 * (n + 1) + 0.005, step=192.74) for n in range(20)
        ),
    }  # fmt: skip
    claim = import_project(project(tmp_path, files))
    assert claim.traffic.log_total is not None
    [line] = [i for i in claim_findings(claim) if i.topic == "communication: shapes"]
    assert line.kind == "recomputes"
    assert "3854.79" in line.expected


def test_of_several_runs_in_one_log_the_last_whole_one_is_read(tmp_path: Path) -> None:
    def run(lines: int) -> str:
        return "".join(LOG.format(total=3.54 * (n + 1), step=3.54) for n in range(lines))

    files = {"comm_cost.txt": run(3) + run(20) + run(5)}
    claim = import_project(project(tmp_path, files))
    assert claim.traffic.log_lines == 20
    assert any("3 runs in one file" in text for text in claim.unread)


def test_of_several_logs_the_one_of_the_run_is_read(tmp_path: Path) -> None:
    files = {
        "comm_cost_r10.txt": LOG.format(total=3.54, step=3.54),
        "comm_cost_r100.txt": LOG.format(total=9.99, step=9.99),
        **accuracies("gccl_r10_p10", **COUNTED),
        **accuracies("gccl_r100_p100", **COUNTED),
    }
    claim = import_project(project(tmp_path, files), run="gccl_r100_p100")
    assert claim.traffic.log_total is not None
    assert claim.traffic.log_total.text == "9.99"


@pytest.mark.parametrize(
    "name", ["/home/jane/data/databricks_dolly_15k", "~/data/databricks_dolly_15k",
             "C:\\\\Users\\\\jane\\\\databricks_dolly_15k", "file:///home/jane/databricks_dolly_15k"],
)  # fmt: skip
def test_no_path_of_somebody_s_machine_is_in_a_claim(name: str, tmp_path: Path) -> None:
    text = config().replace("flwrlabs/fingpt-sentiment-train", name)
    text = text.replace("HuggingFaceTB/SmolLM2-135M", "/home/jane/models/SmolLM2-135M")
    claim = import_project(project(tmp_path, {"pyproject.toml": text}), challenge="finance")
    assert claim.config.dataset == "databricks_dolly_15k"
    assert claim.config.model == "SmolLM2-135M"
    assert "jane" not in json.dumps(claim.to_json())


def test_settings_in_one_line_are_all_read(tmp_path: Path) -> None:
    readme = (
        "- **LoRA Configuration**: Rank (r): 8, Alpha: 32, Target Modules: q_proj, v_proj\n"
        "- **Training Configuration**: Batch size: 16, Max steps: 6, Accumulation steps: 1,"
        " Total rounds: 4, Fraction fit per round: 0.15\n"
    )
    more = (
        "train.training-arguments.per-device-train-batch-size = 2\n"
        "train.training-arguments.max-steps = 99\n"
        "train.training-arguments.gradient-accumulation-steps = 3\n"
    )
    files = {"README.md": readme, "pyproject.toml": config(rank=16, alpha=64, more=more)}
    found = contradictions(import_project(project(tmp_path, files)))
    names = ("rank", "alpha", "batch_size", "max_steps", "gradient_accumulation_steps", "rounds",
             "fraction")  # fmt: skip
    assert found.keys() == {f"setting {name}" for name in names}


def test_the_template_s_sentences_are_a_source_of_their_own(tmp_path: Path) -> None:
    readme = (
        "The dataset is divided into 20 partitions. We randomly sample a fraction (0.2) of the"
        " total nodes to participate in each round, for a total of `200` rounds.\n"
    )
    found = contradictions(import_project(project(tmp_path, {"README.md": readme})))
    assert found.keys() == {"setting rounds", "setting fraction", "setting num_supernodes"}
    assert "its sentences" in found["setting rounds"]


def test_a_table_of_changes_states_the_own_column(tmp_path: Path) -> None:
    table = (
        "| Setting | Baseline | Ours |\n|---|---|---|\n| num-server-rounds | 200 | 10 |\n"
        "| Rank (r) | 32 | 64 |\n"
    )
    found = contradictions(import_project(project(tmp_path, {"README.md": table})))
    assert found.keys() == {"setting rank"}
    assert "64" in found["setting rank"]


ODD = {
    "federations as a list": config().partition("[tool.flwr.federations")[0]
    + "[[tool.flwr.federations]]\nname = 'x'\n",
    "NaN among the settings": config(more="train.learning-rate-max = nan"),
    "an infinite fraction": config(more="train.learning-rate-min = inf"),
    "an integer of 5,000 digits": config(more=f"seed = {'9' * 5000}"),
    "a long integer as rank": config().replace("peft-lora-r = 8", f"peft-lora-r = {'9' * 4000}"),
    "an array without end": "a = " + "[" * 20_000,
    "a key of 40,000 parts": "a" + ".a" * 40_000 + " = 1",
    "a table of 40,000 parts": "[a" + ".a" * 40_000 + "]",
}


@pytest.mark.parametrize("kind", ODD)
def test_a_hostile_configuration_is_a_sentence_at_once(kind: str, tmp_path: Path) -> None:
    folder = project(tmp_path, {"pyproject.toml": ODD[kind]})
    start = time.process_time()
    claim = import_project(folder, challenge="finance")
    assert time.process_time() - start < 1
    assert claim.unread
    json.dumps(claim.to_json(), allow_nan=False)


def test_a_lone_surrogate_in_the_adapter_s_configuration_is_no_traceback(tmp_path: Path) -> None:
    text = '{"base_model_name_or_path": "a/b\\ud800", "r": 8, "target_modules": ["q\\udfff"]}'
    claim = import_project(project(tmp_path, {"results/adapter_config.json": text}))
    json.dumps(claim.to_json()).encode("utf-8")
    assert claim.adapter_config


def test_one_of_several_apps_is_chosen_by_its_folder_s_name_or_its_board(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").unlink(missing_ok=True)
    folder = project(tmp_path, {
        "one/pyproject.toml": config("finance"), "two/pyproject.toml": config("medical"),
        "README.md": "- FPB: 68.23 %\n- FiQA: 60.86 %\n- TFNS: 67.50 %\n",
    })  # fmt: skip
    (folder / "pyproject.toml").unlink()
    with pytest.raises(UsageError, match=r"several Flower apps: one/pyproject\.toml, two/"):
        import_project(folder)
    claim = import_project(folder, challenge="finance")
    assert claim.config.num_supernodes == 50
    assert percents(claim) == ["68.23", "60.86", "67.50"]


def test_an_optimizer_with_words_behind_its_name_is_the_same(tmp_path: Path) -> None:
    more = 'train.training-arguments.optim = "paged_adamw_8bit"'
    files = {
        "pyproject.toml": config(more=more),
        "README.md": "- **Optimizer**: Paged AdamW 8-bit for effective optimization\n",
    }
    assert contradictions(import_project(project(tmp_path, files))) == {}


def test_a_setting_that_a_readme_states_twice_is_named_and_not_guessed(tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": "- Rank: 8\n\n- Rank: 16\n"}))
    assert any("rank is 8 and 16" in text for text in claim.unread)
    assert "setting rank" not in contradictions(claim)


@pytest.mark.parametrize(("parts", "refused"), [(64, False), (65, True)])
def test_a_key_may_have_64_parts(parts: int, refused: bool, tmp_path: Path) -> None:
    text = config() + ".".join(["a"] * parts) + " = 1\n"
    claim = import_project(project(tmp_path, {"pyproject.toml": text}), challenge="finance")
    assert any("parts joined by dots" in item for item in claim.unread) is refused


@pytest.mark.parametrize(("size_bytes", "read"), [(200_000, True), (200_001, False)])
def test_code_of_up_to_200_kb_is_read(size_bytes: int, read: bool, tmp_path: Path) -> None:
    code = CODE.format(arguments="use_dora=True")
    code += "#" * (size_bytes - len(code))
    claim = import_project(project(tmp_path, {"app/models.py": code}))
    assert (claim.config.dora is True) is read


SECTIONS = """# Two runs

### After {few} rounds

`num-server-rounds = {few}`

```
# our-{first}
```

### After {many} rounds

`num-server-rounds = {many}`

```
# our-{second}
```
"""


@pytest.mark.parametrize(("run", "rounds"), [("our_r10", 10), ("our_r100", 100)])
def test_a_section_that_names_a_run_is_that_run_s_alone(
    run: str, rounds: int, tmp_path: Path
) -> None:
    readme = SECTIONS.format(few=10, many=100, first="r10", second="r100")
    files = {"pyproject.toml": config(rounds=100), "README.md": readme}
    files |= accuracies("our_r10", fpb=0.5) | accuracies("our_r100", fpb=0.6)
    claim = import_project(project(tmp_path, files), run=run)
    assert claim.config.rounds == rounds
    assert ("setting rounds" in contradictions(claim)) is (rounds == 10)
    assert not any("which one is not certain" in item for item in claim.unread)


def test_sections_that_name_no_run_are_everybody_s(tmp_path: Path) -> None:
    files = {"README.md": "### One\n\n- Rank: 8\n\n### Two\n\n- Alpha: 64\n"}
    files |= accuracies("a_1", fpb=0.5) | accuracies("a_2", fpb=0.6)
    claim = import_project(project(tmp_path, files), run="a_1")
    assert {"setting alpha"} == contradictions(claim).keys()


@pytest.mark.parametrize(("runs", "told"), [(40, True), (41, False)])
def test_forty_runs_are_told_apart(runs: int, told: bool, tmp_path: Path) -> None:
    names = [f"run_{number:02}" for number in range(runs)]
    readme = SECTIONS.format(few=10, many=100, first="run_00", second=names[-1])
    found = part_of_run(readme.replace("our-", ""), names[-1], names)
    assert found[1] is told


@pytest.mark.parametrize(("bad", "read"), [(1, True), (20, True), (21, False)])
def test_a_configuration_is_read_without_20_bad_lines(bad: int, read: bool, tmp_path: Path) -> None:
    text = config(rank=32) + "<<<<<<< HEAD\n" * (bad - 1) + "t"
    claim = import_project(project(tmp_path, {"pyproject.toml": text}), challenge="finance")
    assert claim.config.rank == (32 if read else None)
    assert any("no TOML and left out: line" in item for item in claim.unread) is read


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
def test_a_long_configuration_is_not_mended(more: int, read: bool, tmp_path: Path) -> None:
    text = config(rank=32) + "#"
    text += "x" * (MAX_MENDED_CHARACTERS + more - len(text) - 2) + "\nt"
    claim = import_project(project(tmp_path, {"pyproject.toml": text}), challenge="finance")
    assert (claim.config.rank == 32) is read


MISSPELT = """
- **pubmedqa**: 0.3940
- **{third}**: 0.3634
- **medqa**: 0.4156
- **careqa**: 0.3887
- **average**: 0.3904
"""


@pytest.mark.parametrize(("third", "read"), [("medcaqa", True), ("mcqs", False)])
def test_a_set_that_is_nearly_named_is_read_and_named(
    third: str, read: bool, tmp_path: Path
) -> None:
    files = {"pyproject.toml": config("medical"), "README.md": MISSPELT.format(third=third)}
    claim = import_project(project(tmp_path, files))
    assert (percents(claim) == ["39.40", "36.34", "41.56", "38.87"]) is read
    assert any("is taken for medmcqa" in item for item in claim.unread) is read


@pytest.mark.parametrize(
    "scores",
    [
        "We reach 68.23% on FPB, 60.86% on FiQA and 67.50% on TFNS (average 65.53%).",
        "- FPB - 68.23%\n- FiQA – 60.86%\n- TFNS — 67.50%\n- Average - 65.53%",
        "| FPB | FiQA | TFNS | Average |\n|-|-|-|-|\n| 68,23 | 60,86 | 67,50 | 65,53 |",
        "| FPB | FiQA | TFNS | Average |\n|-|-|-|-|\n| 68.23 ± 0.1 | 60.86 ± 1 | 67.50 | 65.53 |",
    ],
    ids=["a sentence", "dashes", "decimal commas", "errors"],
)
def test_scores_are_read_as_people_write_them(scores: str, tmp_path: Path) -> None:
    claim = import_project(project(tmp_path, {"README.md": scores} | accuracies(**COUNTED)))
    assert percents(claim) == ["68.23", "60.86", "67.50"]
    assert claim.average is not None
    assert claim.average.text == "65.53"


@pytest.mark.parametrize(
    "readme",
    [
        "| rank | alpha | rounds |\n|--|--|--|\n| 32 | 64 | 99 |\n",
        "```yaml\nlora:\n  r: 32\n  alpha: 64\nrounds: 99\n```\n",
        "- `model.lora.peft-lora-r`: 32\n- `model.lora.peft-lora-alpha`: 64\n"
        "- `num-server-rounds`: 99\n",
    ],
    ids=["a table on its side", "yaml", "keys as labels"],
)
def test_settings_are_read_as_people_write_them(readme: str, tmp_path: Path) -> None:
    found = contradictions(import_project(project(tmp_path, {"README.md": readme})))
    assert {"setting rank", "setting alpha", "setting rounds"} <= found.keys()


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("The total communication cost was 123.45 MB.", True),
        ("Communication budget: used 123.45 MB (+1.23 MB this round) / 200,000 MB", True),
        ("The communication budget is 200,000 MB.", False),
    ],
)
def test_a_figure_of_communication_in_a_sentence_is_read_and_no_limit(
    line: str, read: bool, tmp_path: Path
) -> None:
    stated = import_project(project(tmp_path, {"README.md": line})).traffic.stated
    assert (stated is not None and stated.text == "123.45") is read
