"""The example plugins keep the laws of their kinds, and a spec names what ran of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.components import (
    ClientRanks,
    ClientRows,
    LocalLoop,
    LocalOptimizer,
    Loss,
)
from harness.document import Document
from harness.errors import PluginError, UsageError
from harness.planning.resolve import Request, resolve
from harness.planning.whose_code import own_code
from harness.plugins import find_extension, load, loading
from harness.plugins.answers import MOST_PASSES
from harness.plugins.answers import _wrong_field as wrong_field

EXAMPLES = Path(__file__).resolve().parents[3] / "plugins" / "examples"
POINTS = tomllib.loads((EXAMPLES / "pyproject.toml").read_text())["project"]["entry-points"]
NAMES = sorted(POINTS["flowertune_harness"])


@pytest.fixture(autouse=True)
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the examples for this test: they are in no environment by default."""
    info = tmp_path / "flowertune_harness_examples-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: flowertune-harness-examples\nVersion: 0.1\n"
        "Requires-Dist: flowertune-harness\n"
    )
    points = "\n".join(f"{name} = {value}" for name, value in POINTS["flowertune_harness"].items())
    (info / "entry_points.txt").write_text(f"[flowertune_harness]\n{points}\n")
    (tmp_path / "harness_examples").symlink_to(EXAMPLES / "src" / "harness_examples")
    monkeypatch.syspath_prepend(tmp_path)
    loading.load.cache_clear()
    yield
    loading.load.cache_clear()


def planned(name: str, *overrides: str):
    return resolve(Request(plugin=name, overrides=overrides, device="cpu", threads=1))


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_planned_and_its_code_is_named(name: str) -> None:
    for recipe in load(name).recipes:
        found = planned(f"{name}/{recipe}")
        assert found.violations == ()
        assert found.spec.extensions.model_dump(), "an example changes something"
        # A warm start is data; every other example is code of an entrant's own.
        expected = () if name == "example-warm-start" else (name,)
        assert tuple(item for item in own_code(found.spec) if item == name) == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_example_keeps_the_laws_of_its_kind(name: str) -> None:
    pytest.importorskip("torch")
    from harness.testing.extension_checks import check_extension

    plugin = load(name)
    for item in plugin.extensions.values():
        kind = {
            Loss: "loss", LocalOptimizer: "optimizer", ClientRows: "rows", ClientRanks: "ranks",
            LocalLoop: "loop",
        }[type(item)]  # fmt: skip
        assert [str(found) for found in check_extension(kind, item, plugin)] == []


class Nothing(Document):
    """No parameters."""


def broken():
    import torch
    from torch.nn.functional import cross_entropy

    def entropy(given, params):
        return cross_entropy(given.logits, given.targets, reduction="none")

    def of_the_batch(given, params):
        return entropy(given, params) - entropy(given, params).mean() / 2

    def own_rate(trained, params):
        class Fixed(torch.optim.SGD):
            @torch.no_grad()
            def step(self, closure=None):
                for item in self.param_groups[0]["params"]:
                    item.sub_(0.1 * item.grad)

        return Fixed(list(trained.values()), lr=1.0)

    def drawn(row, index, context, params):
        return row | {"input": str(torch.rand(1).item())}

    def moves_itself(steps, params):
        for _ in range(steps.count):
            steps.gradients()
            with torch.no_grad():
                for item in steps.trained.values():
                    item.add_(1.0)
            steps.take()

    ranks = iter(range(1, 100))
    return {
        "each-token": ("loss", Loss("it", Nothing, of_the_batch)),
        "whatever the labels": (
            "loss", Loss("it", Nothing, lambda given, params: given.logits.square().mean(-1))
        ),
        "not finite": (
            "loss", Loss("it", Nothing, lambda given, params: entropy(given, params) * float("nan"))
        ),
        "[rate]": ("optimizer", LocalOptimizer("it", Nothing, own_rate)),
        "[repeats]": ("rows", ClientRows("it", Nothing, rewrite=drawn)),
        "leaves out row": (
            "rows", ClientRows("it", Nothing, order=lambda rows, context, params: [0])
        ),
        "keeps its rank": (
            "ranks", ClientRanks("it", Nothing, lambda number, context, params: next(ranks) % 4 + 1)
        ),
        "at a learning rate of zero": ("loop", LocalLoop("it", Nothing, moves_itself)),
    }  # fmt: skip


def test_what_breaks_a_law_is_told_which() -> None:
    pytest.importorskip("torch")
    from harness.testing.extension_checks import check_extension

    for words, (kind, item) in broken().items():
        found = [str(problem) for problem in check_extension(kind, item, load("example-loss"))]
        assert any(words in problem for problem in found), (words, found)


def test_an_extension_is_chosen_by_name_and_of_its_kind() -> None:
    found = planned("example-loss/smooth", "extensions.loss.epsilon=0.2")
    assert found.spec.extensions.loss.params == {"epsilon": 0.2}
    assert found.spec.extensions.loss.name == "example-loss/label-smoothing"
    with pytest.raises(PluginError, match="has no optimizer 'label-smoothing'"):
        find_extension("optimizer", "label-smoothing", "example-loss")
    with pytest.raises(UsageError, match="epsilon"):
        planned("example-loss/smooth", "extensions.loss.epsilon=2")
    with pytest.raises(UsageError, match="did you mean"):
        planned("example-loss/smooth", "extensions.los=x")


def test_a_loop_asks_for_1_to_16_gradients_a_step() -> None:
    for passes, fine in ((0, False), (1, True), (MOST_PASSES, True), (MOST_PASSES + 1, False)):
        found = wrong_field(LocalLoop("it", Nothing, print, gradients_per_step=passes))
        assert (found is None) is fine, found
    assert MOST_PASSES == 16


def test_what_does_not_go_together_is_a_violation() -> None:
    two = planned("example-optimizer/muon", "optimizer=sgd").violations
    assert [item.rule for item in two] == ["extensions"]
    assert "optimizer sgd" in two[0].found
    flora = planned("example-ranks/hetlora", "strategy=standard/flora").violations
    assert "extensions" in [item.rule for item in flora]
    with pytest.raises(PluginError, match="has no parameter r"):
        planned("example-ranks/hetlora", "peft=standard/ia3", "peft.target_modules=k_proj",
                "peft.feedforward_modules=[]")  # fmt: skip
