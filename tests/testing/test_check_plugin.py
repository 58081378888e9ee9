"""`check_plugin` passes good plugins and names what is wrong with the others."""

from __future__ import annotations

import pytest

from harness.cli import main
from harness.errors import PluginError
from harness.plugins import long_calls
from harness.testing.check import check_plugin, problems

pytest.importorskip("torch")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["standard", "smollm2-dora"])
def test_our_own_plugins_pass(name, check_plugin):
    check_plugin(name)


def test_the_command_checks_as_the_fixture_does(
    install_plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugin("nothing", "")
    with pytest.raises(SystemExit) as ended:
        main(["plugins", "nothing", "--check"])
    said = capsys.readouterr()
    assert ended.value.code == 4
    assert "contributes nothing" in said.err
    assert "checking its import" in said.err
    assert said.out == ""


STRATEGY = """
from harness import hookimpl
from harness.components import LocalObjective, RoundPlan, StrategyMethod
from harness.document import Document

class Params(Document):
    mu: float = 0.1

def sampling(context):
    return dict(fraction_train=context.fraction, fraction_evaluate=0.0,
                min_train_nodes=context.clients_per_round,
                min_available_nodes=context.num_supernodes)

def build(params, context):
    {build}

@hookimpl
def harness_strategies():
    return [StrategyMethod(name="mine", params=Params, build=build{extra})]
"""

FEDAVG = "from flwr.serverapp.strategy import FedAvg; return FedAvg(**sampling(context))"
FEDPROX = (
    "from flwr.serverapp.strategy import FedProx;"
    " return FedProx(**sampling(context), proximal_mu=params.mu)"
)
FEDADAM = "from flwr.serverapp.strategy import FedAdam; return FedAdam(**sampling(context))"
TERM = "sum(((w - received[n]) ** 2).sum() for n, w in parameters.items())"

CUSTOM = """
    import numpy as np
    from flwr.app import Array, ArrayRecord
    from flwr.serverapp.strategy import FedAvg

    class Mine(FedAvg):
        memory = None
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.kept = {{}}
        def aggregate_train(self, server_round, replies):
            replies = list(replies)
            arrays, metrics = super().aggregate_train(server_round, replies)
            values = {{name: array.numpy() for name, array in arrays.items()}}
            {body}
            return ArrayRecord({{name: Array(v) for name, v in values.items()}}), metrics
    return Mine(**sampling(context))
"""


def custom(body: str) -> str:
    return CUSTOM.format(body=body.replace("\n", "\n            "))


BAD = {
    "term-missing": (FEDPROX, "", "nothing reads it"),
    "term-reads-in-vain": (
        FEDPROX,
        ", local_objective=lambda p: LocalObjective(name='x', reads=('proximal-mu',))",
        "does nothing",
    ),
    "term-not-a-scalar": (
        FEDPROX,
        ", local_objective=lambda p: LocalObjective(name='x', reads=('proximal-mu',),"
        " loss=lambda parameters, received: 0.0)",
        "expected a scalar tensor",
    ),
    "float64": (FEDADAM, ", broken_laws={'identity': 'own step'}", "dtype float64"),
    "order": (
        custom("last = replies[-1].content['arrays']\nvalues = {n: last[n].numpy() for n in last}"),
        ", broken_laws={'identity': 'x', 'examples': 'x'}",
        "[permutation]",
    ),
    "state-outside": (
        custom(
            "type(self).memory = v = (type(self).memory or 0) + 1\n"
            "values = {n: (a * (1 + 1e-3 * v)).astype('float32') for n, a in values.items()}"
        ),
        ", broken_laws={'identity': 'x', 'fixed-point': 'x'}",
        "[state]",
    ),
    "unseeded": (
        custom(
            "noise = np.random.default_rng()\n"
            "values = {n: a + noise.normal(size=a.shape).astype('float32')"
            " for n, a in values.items()}"
        ),
        ", broken_laws={'identity': 'x', 'fixed-point': 'x', 'examples': 'x'}",
        "draw from the seeded generators",
    ),
    "not-weighted": (
        custom(
            "one = [r.content['arrays'] for r in replies]\n"
            "values = {n: np.mean([a[n].numpy() for a in one], axis=0, dtype='float32')"
            " for n in values}"
        ),
        "",
        "[examples]",
    ),
    "shrinks": (
        custom("values = {n: a * np.float32(0.9) for n, a in values.items()}"),
        ", broken_laws={'identity': 'x'}",
        "[fixed-point]",
    ),
    "no-mean": (
        custom("values = {n: (a + 1).astype('float32') for n, a in values.items()}"),
        ", broken_laws={'fixed-point': 'x'}",
        "[identity]",
    ),
    "drops-a-tensor": (custom("values.popitem()"), "", "is missing"),
    "nan": (custom("next(iter(values.values()))[0] = np.nan"), "", "NaN"),
    "law-that-holds-for-all": (FEDAVG, ", broken_laws={'permutation': 'x'}", "cannot be broken"),
    "plan-not-kept": (
        FEDAVG,
        ", round_plan=lambda p, c, r: RoundPlan(down=dict(list(c.shapes.items())[:1]),"
        " up=dict(c.shapes), train=frozenset(c.shapes))",
        "the plan's `down` says what goes",
    ),
    "adds-a-tensor": (custom("values['more'] = np.zeros(2, 'float32')"), "", "was not asked for"),
    "another-shape": (custom("values = {n: a.T for n, a in values.items()}"), "", "has shape"),
    "no-aggregate": (custom("return None, metrics"), "", "no aggregate"),
    "arrays-alone": (
        custom("return arrays"),
        "",
        "returned ArrayRecord; expected an ArrayRecord and a MetricRecord or None (",
    ),
    "plain-dict": (custom("return values, metrics"), "", "returned (dict, MetricRecord); expected"),
    "build-of-one-argument": (
        "pass\nbuild = lambda params: None",
        "",
        "takes 1 positional argument but 2 were given (",
    ),
    "client-array-of-no-plan": (
        FEDAVG,
        ", local_objective=lambda p: LocalObjective(name='x',"
        " finish=lambda done: {**done.trained, 'controls': next(iter(done.trained.values()))})",
        "finish() returned 'controls', which is no tensor of the adapter",
    ),
    "client-array-of-another-type": (
        FEDAVG,
        ", local_objective=lambda p: LocalObjective(name='x',"
        " finish=lambda done: {n: v.astype('float64') for n, v in done.trained.items()})",
        "has dtype float64; expected float32 (",
    ),
    "raises": (custom("1 / 0"), "", "aggregate_train() of round 1 raised ZeroDivisionError"),
    "exits": (custom("raise SystemExit(3)"), "", "raised SystemExit: 3"),
    "builds-nothing": ("return None", "", "build() returned NoneType"),
    "build-raises": ("return params.nothing", "", "build() raised AttributeError"),
    "waits-for-ever": (
        FEDAVG.replace("**sampling(context)", "**{**sampling(context), 'min_available_nodes': 99}"),
        "",
        "waits for more than the 8 supernodes",
    ),
    "samples-others": (
        FEDAVG.replace("**sampling(context)", "fraction_train=1.0"),
        "",
        "it sampled 8 clients in round 1; the context says 6",
    ),
    "supports-raises": (FEDAVG, ", supports=lambda name, params: 1 / 0", "supports() raised Zero"),
    "part-is-none": (FEDAVG, ", local_objective=lambda p: None", "returned NoneType"),
    "finish-is-none": (
        FEDAVG,
        ", local_objective=lambda p: LocalObjective(name='x', finish=lambda done: None)",
        "finish() returned NoneType",
    ),
    "finish-of-float64": (
        FEDAVG,
        ", local_objective=lambda p: LocalObjective(name='x',"
        " finish=lambda done: {n: a.astype('float64') for n, a in done.trained.items()})",
        "dtype float64",
    ),
    "loss-raises": (
        FEDAVG,
        ", local_objective=lambda p: LocalObjective(name='x', loss=lambda a, b: b['nothing'])",
        "loss() raised KeyError",
    ),
    "trains-what-is-lost": (
        FEDAVG,
        ", round_plan=lambda p, c, r: RoundPlan(down=dict(c.shapes), train=frozenset(c.shapes),"
        " up=dict(list(c.shapes.items())[:1]))",
        "so it would be lost",
    ),
    "unkeepable-state": (
        custom("self.kept = object()"),
        ", broken_laws={'identity': 'x'}",
        "which a checkpoint cannot keep",
    ),
}


PARAMS = """
from harness import hookimpl
from harness.components import StrategyMethod
from harness.document import Document

class Params(Document):
    a: {field}

@hookimpl
def harness_strategies():
    return [StrategyMethod(name="mine", params=Params, build=print)]
"""


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("int", "a: missing"),
        ("frozenset[str] = frozenset('ab')", "frozenset"),
        ("float = float('nan')", "no finite number"),
        ("int = 'four'", "a: expected a whole number (found 'four')"),
        ("object = print", "builtin_function_or_method"),
    ],
)
def test_parameters_that_could_not_travel_are_told(field, words, install_plugin):
    install_plugin("odd-params", PARAMS.format(field=field))
    [found] = [item for item in problems("odd-params") if item.check == "params"]
    assert words in found.found


@pytest.mark.parametrize("case", BAD)
def test_a_bad_strategy_is_told_what_is_wrong(case, install_plugin):
    build, extra, expected = BAD[case]
    install_plugin(f"bad-{case}", STRATEGY.format(build=build, extra=extra))
    found = "\n".join(str(item) for item in problems(f"bad-{case}"))
    assert expected in found
    assert "strategy mine" in found


RECIPE = """
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_recipes():
    return [Recipe(
        name="long",
        title="x",
        model="smollm2-dora/smollm2-135m-instruct",
        peft=Choice(name="standard/lora", params={"r": 4}),
        strategy=Choice(name="mine"),
        train=TrainSpec(rounds=12),
    )]
"""
LATE = custom("if server_round == 9: values = {n: a * np.nan for n, a in values.items()}")


def test_a_fault_of_a_late_round_is_found_before_any_training(install_plugin):
    install_plugin("late", STRATEGY.format(build=LATE, extra="") + RECIPE)
    found = [item for item in problems("late") if item.check not in ("light", "import")]
    assert [item.subject for item in found] == ["recipe long"]
    assert "strategy mine: aggregate of round 9" in found[0].found
    assert "NaN" in found[0].found


def test_what_a_strategy_cannot_do_with_the_recipes_clients_is_found(install_plugin):
    few = custom("assert len(replies) != 5, 'not with five clients'")
    install_plugin("few", STRATEGY.format(build=few, extra="") + RECIPE)
    found = [item for item in problems("few") if item.check not in ("light", "import")]
    assert [item.subject for item in found] == ["recipe long"]
    assert "not with five clients" in found[0].found


ENDLESS = {
    "aggregate": (STRATEGY.format(build=custom("while True: pass"), extra=""), "aggregate_train()"),
    "build": (STRATEGY.format(build="import time; time.sleep(600)", extra=""), "build()"),
    "plan": (
        STRATEGY.format(build=FEDAVG, extra=", round_plan=lambda *_: [0 for _ in iter(int, 1)]"),
        "round_plan()",
    ),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_call_without_an_end_is_ended_and_told(case, install_plugin, monkeypatch):
    """A check that hangs shows its author nothing, and holds a workflow for hours."""
    monkeypatch.setattr(long_calls, "LONG_CALL_S", 0.5)
    source, call = ENDLESS[case]
    module = install_plugin(f"endless-{case}", source)
    with pytest.raises(PluginError) as caught:
        check_plugin(f"endless-{case}")
    [told] = [line for line in str(caught.value).splitlines() if "no end after" in line]
    assert call in told
    assert f"({module}.py:" in told


def test_flower_says_nothing_meanwhile(install_plugin, caplog):
    install_plugin("quiet", STRATEGY.format(build=custom("values.popitem()"), extra=""))
    with pytest.raises(PluginError, match="is missing"):
        check_plugin("quiet")
    assert not [item for item in caplog.records if item.name == "flwr"]


def test_flower_s_fedavg_with_a_real_term_passes(install_plugin):
    objective = (
        ", local_objective=lambda p: LocalObjective(name='x', reads=('proximal-mu',),"
        f" loss=lambda parameters, received: p.mu / 2 * {TERM})"
    )
    install_plugin("good-prox", STRATEGY.format(build=FEDPROX, extra=objective))
    found = [item for item in problems("good-prox") if item.check not in ("light", "import")]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "laws"),
    [
        ("FedAvg(**sampling(context))", {}),
        ("FedAvgM(**sampling(context))", {}),
        ("FedMedian(**sampling(context))", {"examples": "once"}),
        ("FedTrimmedAvg(**sampling(context))", {"examples": "once"}),
        ("Krum(**sampling(context), num_malicious_nodes=1)", {"examples": "once"}),
        ("FedYogi(**sampling(context))", {"identity": "own step"}),
        ("FedAdagrad(**sampling(context))", {"identity": "own step"}),
    ],
)
def test_flower_s_own_strategies_need_what_the_docs_say(strategy, laws, install_plugin):
    build = f"from flwr.serverapp import strategy; return strategy.{strategy}"
    code = STRATEGY.format(build=build, extra=f", broken_laws={laws}")
    install_plugin("flower", code)
    found = [item for item in problems("flower") if item.check not in ("light", "import")]
    assert found == []


PEFT = """
from harness import hookimpl
from harness.components import PeftMethod, select_linears
from harness.document import Document

class Params(Document):
    r: int = 4
    alpha: int = 8

def configure(model, params):
    from peft import LoraConfig
    return {config}

def shapes(model, params):
    found = {{}}
    for layer in select_linears(model, ("q_proj",)):
        stem = "base_model.model." + layer.name
        found[stem + ".lora_A.weight"] = (params.r, layer.in_features)
        found[stem + ".lora_B.weight"] = {b}
    return found

@hookimpl
def harness_peft_methods():
    return [PeftMethod(name="mine", params=Params, configure=configure, shapes=shapes{extra})]
"""
CONFIG = "LoraConfig(r=params.r, target_modules=['q_proj'], task_type='CAUSAL_LM')"
RIGHT_B = "(layer.out_features, params.r)"


@pytest.mark.parametrize(
    ("config", "b", "extra", "expected"),
    [
        (
            CONFIG.replace("r=params.r", "r=params.r, lora_alpha=2 * params.alpha"),
            RIGHT_B,
            "",
            "sets lora_alpha to 16, where the recipe makes it 8",
        ),
        (CONFIG, "(params.r, layer.out_features)", "", "is (32, 4), the forecast (4, 32)"),
        (
            CONFIG.replace("r=params.r", "r=params.r, inference_mode=True"),
            RIGHT_B,
            "",
            "peft does not train",
        ),
        (
            CONFIG.replace("r=params.r", "r=params.r, lora_alpha=__import__('random').random()"),
            RIGHT_B,
            "",
            "another configuration",
        ),
        (
            "__import__('peft').PromptTuningConfig(task_type='CAUSAL_LM', num_virtual_tokens=4)",
            RIGHT_B,
            "",
            "prompt learning",
        ),
        (CONFIG.replace("q_proj", "v_proj"), RIGHT_B, "", "peft makes"),
        ("{}", RIGHT_B, "", "expected a PeftConfig"),
        (CONFIG, RIGHT_B, ", frozen=lambda name: True", "every tensor is frozen"),
    ],
)
def test_a_bad_peft_method_is_told_what_is_wrong(config, b, extra, expected, install_plugin):
    install_plugin("bad-peft", PEFT.format(config=config, b=b, extra=extra))
    assert expected in "\n".join(str(item) for item in problems("bad-peft"))


def test_a_plugin_that_imports_torch_is_told(install_plugin, tmp_path, monkeypatch):
    module = install_plugin("heavy", "import torch\n")
    folder = next(path.parent for path in tmp_path.rglob(f"{module}.py"))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    found = {item.check: item.found for item in problems("heavy")}
    assert "torch" in found["light"]
    assert "contributes nothing" in found["empty"]


def test_all_problems_come_at_once(install_plugin):
    install_plugin("bad-both", STRATEGY.format(build=FEDPROX, extra=", broken_laws={'state': ''}"))
    with pytest.raises(PluginError, match=r"(?s)cannot be broken.*nothing reads it"):
        check_plugin("bad-both")


@pytest.mark.parametrize(("scale", "broken"), [("9e-5", False), ("1.1e-4", True)])
def test_an_average_may_be_off_by_a_ten_thousandth(scale, broken, install_plugin):
    """Float32 sums in another order may show that much."""
    body = f"values = {{n: a * np.float32(1 + {scale}) for n, a in values.items()}}"
    extra = ", broken_laws={'fixed-point': 'x'}"
    install_plugin("nearly", STRATEGY.format(build=custom(body), extra=extra))
    assert ("identity" in [item.check for item in problems("nearly")]) is broken


PHI = """
from harness import hookimpl
from harness.components import ModelSpec, PeftMethod
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_models():
    return [ModelSpec(name="phi", hub_id="org/phi", architecture="phi3", layers=4, hidden=96,
                      intermediate=256, heads=6, kv_heads=2, vocab=2000)]

@hookimpl
def harness_peft_methods():
    from harness_standard.peft_methods import LORA
    def shapes(model, params):
        found = LORA.shapes(model, params)
        return {wrong} if model.architecture == "phi3" else found
    return [PeftMethod(name="fused", params=LORA.params, configure=LORA.configure, shapes=shapes)]

@hookimpl
def harness_recipes():
    peft = Choice(name="fused", params=dict(target_modules={targets}))
    return [Recipe(name="r", title="x", model="phi", peft=peft, train=TrainSpec(rounds=2),
                   strategy=Choice(name="standard/fedavg"))]
"""


@pytest.mark.parametrize(
    ("wrong", "targets", "said"),
    [
        ("found", ["qkv_proj", "down_proj"], ""),
        ("found", ["q_proj"], "'q_proj' matches no linear layer"),
        ("dict(list(found.items())[:-1])", ["qkv_proj"], "on a small phi3: peft makes 4 tensors"),
    ],
)
def test_a_recipe_is_tried_on_a_small_model_of_its_own_family(install_plugin, wrong, targets, said):
    install_plugin("fused", PHI.replace("{wrong}", wrong).replace("{targets}", repr(targets)))
    # A plugin that only this process has cannot be imported in a fresh one.
    found = [str(item) for item in problems("fused") if item.check != "import"]
    assert bool(found) == bool(said)
    assert said in "".join(found)


START = (
    PEFT.format(config=CONFIG.replace("r=params.r", "r=params.r, init_lora_weights=START"),
                b=RIGHT_B, extra="")
    + """
@hookimpl
def harness_recipes():
    from harness.recipe import Choice, Recipe, TrainSpec
    return [Recipe(name="r", title="x", model="smollm2-dora/smollm2-135m-instruct",
                   peft=Choice(name="mine"), strategy=Choice(name="standard/fedavg"),
                   train=TrainSpec(rounds=2))]
"""
)  # fmt: skip


@pytest.mark.parametrize(("start", "told"), [("pissa", True), ("gaussian", False)])
def test_a_start_in_the_base_that_the_recipes_strategy_leaves_is_told(start, told, install_plugin):
    install_plugin("starts", START.replace("START", repr(start)))
    found = [str(item) for item in problems("starts") if item.check == "start"]
    assert ["starts from a part of the base's weights" in item for item in found] == [True] * told
