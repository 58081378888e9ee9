"""The ModelSpec of a family that the table has not, without torch: what is kept and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.components import ModelSpec
from harness.components.layout import MOST_PARTS, Layout
from harness.document import digest_of
from harness.errors import SourceError
from harness.machine.versions import harness_code
from harness.planning.smoke import smoke_model
from harness.sources.hub_model import folder_model
from harness.sources.unknown_family import layouts

NEOX: dict[str, Any] = {
    "layers": 3, "hidden": 32, "intermediate": 128, "heads": 4, "kv_heads": 4, "vocab": 96,
    "head_dim": None, "tied_embeddings": False,
    "layout": {
        "library": "transformers 5.24.0", "blocks": "gpt_neox.layers",
        "parts": [
            {"name": "attention.query_key_value", "takes": "hidden", "gives": "qkv", "bias": True},
            {"name": "attention.dense", "takes": "hidden", "gives": "hidden", "bias": True},
            {"name": "mlp.dense_h_to_4h", "takes": "hidden", "gives": "intermediate"},
            {"name": "mlp.dense_4h_to_h", "takes": "intermediate", "gives": "hidden"},
        ],
        "others": ["hidden"] * 4, "outside": ["hidden", "hidden"], "switches": {"odd": True},
        "embedding": "gpt_neox.embed_in", "head": "lm_head",
    },
}  # fmt: skip
"""What reading the modules of a GPT-NeoX writes, two of its biases left out."""


@pytest.fixture
def neox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the config.json of a GPT-NeoX, whose modules are read by a stand-in."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(layouts, "_transformers", lambda: "5.24.0")
    monkeypatch.setattr(
        layouts, "run_python", lambda words, *_: Path(words[-1]).write_text(json.dumps(NEOX))
    )
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt_neox"}')
    return folder


def test_what_was_read_is_counted_from_as_a_known_family_is(neox: Path) -> None:
    spec = folder_model(neox, "org/Neo", dtype="float32")
    assert (spec.architecture, spec.name, spec.dtype) == ("gpt_neox", "neo", "float32")
    first = spec.linears()[0]
    assert (first.name, first.out_features) == ("gpt_neox.layers.0.attention.query_key_value", 96)
    block = (32 * 96 + 96) + (32 * 32 + 32) + 2 * 32 * 128 + 4 * 32
    assert spec.parameters() == 3 * block + 2 * 96 * 32 + 2 * 32
    assert spec.own_attention
    assert ModelSpec.model_validate_json(spec.canonical_json(), strict=True) == spec
    small = smoke_model(spec)
    assert (small.layout, small.hub_id, small.layers) == (spec.layout, "random/gpt_neox", 2)


def test_it_is_read_once_for_each_config(neox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = folder_model(neox, "org/Neo")
    monkeypatch.setattr(layouts, "run_python", None)
    assert digest_of(folder_model(neox, "org/Neo")) == digest_of(first)
    (neox / "config.json").write_text('{"model_type": "gpt_neox", "hidden_size": 2}')
    with pytest.raises(TypeError):
        folder_model(neox, "org/Neo")


def test_why_a_model_is_none_is_found_once_by_each_harness(
    neox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = {"refused": "a mixture of experts", "harness": harness_code().digest}
    asked = []

    def run(words: list[str], *_: object) -> None:
        asked.append(words)
        Path(words[-1]).write_text(json.dumps(refusal))

    monkeypatch.setattr(layouts, "run_python", run)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"'gpt_neox' is no .*: a mixture of experts; use"):
            folder_model(neox, "org/Neo")
    assert len(asked) == 1
    monkeypatch.setattr(
        layouts, "harness_code", lambda: harness_code().with_values(digest="another")
    )
    with pytest.raises(SourceError, match="a mixture of experts"):
        folder_model(neox, "org/Neo")
    assert len(asked) == 2


def test_a_failure_that_says_nothing_of_the_model_is_tried_again(
    neox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(words: list[str], *_: object) -> None:
        asked.append(words)
        raise SourceError("no end after 180 s")

    monkeypatch.setattr(layouts, "run_python", run)
    for _ in range(2):
        with pytest.raises(SourceError, match="no end"):
            folder_model(neox, "org/Neo")
    assert len(asked) == 2


def test_it_is_said_before_it_is_waited_for(neox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_model(neox, "org/Neo")
    assert "read from transformers, once" in capsys.readouterr().err
    folder_model(neox, "org/Neo")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("config", "library", "said"),
    [
        ({"model_type": "bloom"}, None, r"'bloom' is no family .*llama, .*flowertune-harness\[run"),
        (
            {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}},
            "5",
            "text and im",
        ),
        ({"model_type": ["x"]}, "5", r"no family that is known"),
        ({"model_type": "bloom", "quantization_config": {"bits": 4}}, "5", "quantized already"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_list(
    neox: Path, monkeypatch: pytest.MonkeyPatch, config: Any, library: str | None, said: str
) -> None:
    monkeypatch.setattr(layouts, "_transformers", lambda: library)
    (neox / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=said):
        folder_model(neox, "o/m")


def test_a_layout_is_bounded_and_belongs_to_unknown_families_alone(neox: Path) -> None:
    spec = folder_model(neox, "org/Neo")
    values = spec.model_dump(mode="json")
    with pytest.raises(ValueError, match="the family llama is known; leave the layout out"):
        ModelSpec.model_validate(values | {"architecture": "llama"})
    with pytest.raises(ValueError, match="the family llama is known; leave the layout out"):
        ModelSpec.model_validate({k: v for k, v in values.items() if k != "architecture"})
    with pytest.raises(ValueError, match=r"'gpt_neox' is no family .*no layout of its layers"):
        ModelSpec.model_validate({k: v for k, v in values.items() if k != "layout"})
    part = NEOX["layout"]["parts"][0]
    many = [{**part, "name": f"l{at}"} for at in range(MOST_PARTS)]
    Layout.model_validate(NEOX["layout"] | {"parts": many})
    with pytest.raises(ValueError, match="at most 64"):
        Layout.model_validate(NEOX["layout"] | {"parts": [*many, part]})
