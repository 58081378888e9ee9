"""Plugins: a broken one names itself and breaks nothing else."""

from __future__ import annotations

import py_compile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import plugins
from harness.errors import PluginError
from harness.new_plugin import write_plugin

Install = Callable[..., str]

HEAD = """
from harness import hookimpl
from harness.components import ModelSpec
from harness.recipe import Choice, Recipe, TrainSpec

def model(name="tiny"):
    return ModelSpec(name=name, hub_id="org/tiny", layers=1, hidden=8, intermediate=16, heads=2,
                     kv_heads=1, vocab=32)
"""


def fails(name: str, *words: str) -> None:
    with pytest.raises(PluginError) as caught:
        plugins.load(name)
    text = str(caught.value)
    assert "\n" not in text
    for word in (repr(name), *words):
        assert word in text


def test_a_good_plugin_is_found_and_loaded(install_plugin: Install) -> None:
    install_plugin("good", HEAD + "@hookimpl\ndef harness_models():\n    return [model()]\n")
    assert "good" in plugins.discover()
    loaded = plugins.load("good")
    assert list(loaded.models) == ["tiny"]
    assert loaded.ref.version == "1.0"
    assert len(loaded.ref.digest) == 64
    assert not loaded.ref.editable


def test_an_unknown_plugin_is_answered_with_the_nearest(install_plugin: Install) -> None:
    install_plugin("smollm2-dara", HEAD)
    with pytest.raises(PluginError, match="did you mean"):
        plugins.load("smollm2-dore")


@pytest.mark.parametrize("here", [".", "mine"])
def test_a_plugin_that_was_written_and_not_installed_is_found_where_it_lies(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin("mine", tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine" if here == "." else tmp_path)
    fails("mine", f"pip install -e {here}")
    with pytest.raises(PluginError, match=r"did you mean|known:"):
        plugins.load("minee")


def test_a_plugin_that_fails_to_import_is_listed_and_named(install_plugin: Install) -> None:
    install_plugin("broken", "import nowhere_to_be_found\n")
    assert "broken" in plugins.discover()
    fails("broken", "import of", "ModuleNotFoundError", "dist-broken 1.0")


def test_a_misspelled_hook_is_an_error(install_plugin: Install) -> None:
    install_plugin("typo", HEAD + "@hookimpl\ndef harness_recipe():\n    return []\n")
    fails("typo", "harness_recipe", "harness_recipes")


def test_a_hook_without_its_marker_is_an_error(install_plugin: Install) -> None:
    install_plugin("unmarked", HEAD + "def harness_models():\n    return [model()]\n")
    fails("unmarked", "harness_models", "@harness.hookimpl")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("model()", "expected a list of ModelSpec"),
        ("'tiny'", "expected a list of ModelSpec"),
        ("[{'name': 'tiny'}]", "item of type dict"),
        ("[model(), model()]", "'tiny' twice"),
        ("[model('Tiny Model')]", "Tiny Model"),
        ("[None]", "item of type NoneType"),
        ("None", "returned None"),
        ("3", "returned int"),
        ("(model() for _ in iter(int, 1))", "more than 1000"),
        ("[ModelSpec.model_construct(name='tiny')]", "missing"),
        ("[type('Mine', (ModelSpec,), {})(**model().model_dump())]", "item of type Mine"),
        ("[model().with_values(heads=3)]", "multiple of heads"),
        ("1 / 0", "ZeroDivisionError"),
        ("exit('bye')", "SystemExit: bye"),
        ("(1 / 0 for _ in '1')", "ZeroDivisionError"),
    ],
)
def test_a_wrong_answer_names_hook_and_type(
    install_plugin: Install, answer: str, word: str
) -> None:
    install_plugin("wrong", HEAD + f"@hookimpl\ndef harness_models():\n    return {answer}\n")
    fails("wrong", "harness_models", word)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import sys\nsys.exit(3)\n", ["SystemExit: 3"]),
        ("class Odd(BaseException): pass\nraise Odd('two\\nlines')\n", ["Odd: two lines"]),
        ("def (\n", ["SyntaxError"]),
        (HEAD + "@hookimpl\ndef harness_models(x): return []\n", ["'x'", "harness_models"]),
        (HEAD + "@hookimpl\nasync def harness_models(): return []\n", ["coroutine"]),
        (HEAD + "@hookimpl(wrapper=True)\ndef harness_models(): yield\n", ["returned None"]),
        (HEAD + "@hookimpl(optionalhook=True)\ndef harness_x(): pass\n", ["unknown hook"]),
    ],
)
def test_a_module_that_is_no_plugin_is_named_in_one_line(
    install_plugin: Install, body: str, words: list[str]
) -> None:
    install_plugin("odd", body)
    fails("odd", *words)


METHOD = """
from harness.components import PeftMethod, StrategyMethod
from harness.document import Document

@hookimpl
def harness_strategies():
    return [StrategyMethod(**{**dict(name="x", params=Document, build=print), **CHANGES})]
"""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ("{'name': None}", "the name None"),
        ("{'name': 'ab\\n'}", "the name 'ab\\n'"),
        ("{'params': Document()}", "sub-class of harness.document.Document"),
        ("{'params': int}", "sub-class of harness.document.Document"),
        ("{'build': None}", "build is None"),
        ("{'supports': None}", "supports is None"),
        ("{'broken_laws': ['identity']}", "broken_laws"),
        ("{'averages': 'median'}", "averages is 'median'"),
    ],
)
def test_a_component_with_a_wrong_field_names_it(
    install_plugin: Install, changes: str, word: str
) -> None:
    install_plugin("field", HEAD + METHOD.replace("CHANGES", changes))
    fails("field", "harness_strategies", word)


def test_what_a_plugin_prints_stays_out_of_the_results(
    install_plugin: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = "@hookimpl\ndef harness_models():\n    print('models'); return [model()]\n"
    install_plugin("chatty", HEAD + "print('hello')\n" + hook)
    plugins.load("chatty")
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err == "hello\nmodels\n"


def test_a_requirement_that_does_not_apply_here_is_no_problem(install_plugin: Install) -> None:
    install_plugin("marked", HEAD, requires='flowertune-harness>=99; python_version < "3"')
    assert plugins.discover()["marked"].problem is None


def test_an_entry_point_that_no_command_could_name_is_a_problem(install_plugin: Install) -> None:
    install_plugin("Odd Name", HEAD)
    assert "lower-case" in str(plugins.discover()["Odd Name"].problem)


def test_a_plugin_for_another_harness_version_says_which(install_plugin: Install) -> None:
    install_plugin("future", HEAD, requires="flowertune-harness>=99")
    assert ">=99" in str(plugins.discover()["future"].problem)
    fails("future", ">=99")


@pytest.mark.parametrize("offers", ["genuine", "other"])
def test_a_distribution_that_takes_the_name_of_another_is_told(
    offers: str, install_plugin: Install, tmp_path: Path
) -> None:
    """It would be taken for the other, or hide it."""
    install_plugin("genuine", HEAD, distribution="dist-genuine")
    info = tmp_path / "site1" / "anything-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Dist.Genuine\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[flowertune_harness]\n{offers} = its_module\n")
    with pytest.raises(PluginError) as caught:
        plugins.discover()
    assert f"1.0 (plugin genuine) and as 2.0 (plugin {offers}) in {info.parent}" in str(
        caught.value
    )


def test_a_folder_that_the_path_names_twice_holds_one_distribution(
    install_plugin: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("genuine", HEAD, distribution="dist-genuine")
    site = tmp_path / "site1"
    (tmp_path / "link").symlink_to(site)
    for again in (site, f"{site}/.", tmp_path / "link"):
        monkeypatch.syspath_prepend(str(again))
    assert "genuine" in plugins.discover()


def test_of_two_folders_with_one_distribution_the_first_counts_as_it_does_for_imports(
    install_plugin: Install,
) -> None:
    install_plugin("genuine", HEAD, distribution="dist-genuine")
    module = install_plugin("genuine", HEAD, distribution="dist-genuine")
    assert plugins.discover()["genuine"].module == module


def test_two_distributions_with_one_plugin_name_hide_that_plugin_alone(
    install_plugin: Install,
) -> None:
    """Neither may stand for the other; whoever runs a third plugin has nothing to do with them."""
    install_plugin("twice", HEAD, distribution="dist-one")
    install_plugin("twice", HEAD, distribution="dist-two")
    install_plugin("third", HEAD)
    assert "two distributions, dist-" in (plugins.discover()["twice"].problem or "")
    with pytest.raises(PluginError, match=r"'twice': offered by two distributions.*uninstall one"):
        plugins.load("twice")
    assert plugins.load("third").ref.name == "third"


def test_the_digest_follows_the_content(install_plugin: Install) -> None:
    module = install_plugin("content", HEAD)
    before = plugins.content_digest(module, "content")
    assert before == plugins.content_digest(module, "content")
    import importlib.util

    origin = importlib.util.find_spec(module)
    assert origin is not None
    assert origin.origin is not None
    with open(origin.origin, "a") as file:
        file.write("# changed\n")
    assert plugins.content_digest(module, "content") != before


def test_a_component_that_a_plugin_lacks_is_answered_with_the_nearest() -> None:
    with pytest.raises(PluginError, match=r'no PEFT method \'dorra\'; did you mean "dora"'):
        plugins.find_peft_method("standard/dorra", "smollm2-dora")


def test_the_digest_of_a_package_is_of_its_sources_whoever_imported_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python leaves compiled files beside the sources at the first import."""
    package = tmp_path / "digested_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (package / "inner" / "data.toml").write_text("y = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = plugins.content_digest("digested_package", "digested")
    py_compile.compile(str(package / "__init__.py"))
    assert list(package.rglob("*.pyc"))
    assert plugins.content_digest("digested_package", "digested") == before
    (package / "inner" / "data.toml").write_text("y = 3\n")
    assert plugins.content_digest("digested_package", "digested") != before


def many(count: int) -> str:
    answer = f"[model(f'tiny{{n}}') for n in range({count})]"
    return HEAD + f"@hookimpl\ndef harness_models():\n    return {answer}\n"


def test_a_plugin_offers_a_thousand_components_of_a_kind_and_no_more(
    install_plugin: Install,
) -> None:
    install_plugin("many", many(1_000))
    assert len(plugins.load("many").models) == 1_000
    install_plugin("too-many", many(1_001))
    fails("too-many", "more than 1000")


@pytest.mark.parametrize(("length", "cut"), [(299, 299), (300, 300), (301, 300)])
def test_300_characters_of_a_plugin_s_own_message_are_shown(
    length: int, cut: int, install_plugin: Install
) -> None:
    install_plugin("wordy", f"raise ValueError('q' * {length})\n")
    with pytest.raises(PluginError) as caught:
        plugins.load("wordy")
    assert f"ValueError: {'q' * cut} (" in str(caught.value)
