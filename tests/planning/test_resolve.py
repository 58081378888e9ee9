"""From a request to a spec: the reference entry value for value, and no way round the rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.boards.board import default_board
from harness.boards.challenge import challenge_names, load_challenge
from harness.document import digest_of
from harness.errors import HarnessError, PluginError, UsageError
from harness.machine.machine import Machine
from harness.planning.devices import (
    memory_doubt,
    refuse_absent_gpu,
    refuse_hopeless_device,
    refuse_hopeless_memory,
)
from harness.planning.eligibility import exercise_because, ineligible_because
from harness.planning.resolve import Request, Resolved, resolve
from harness.recipe import Prompt
from harness.record.machine import Device, Environment

LAPTOP = Machine(
    cores=2,
    memory_bytes=24 * 2**30,
    vector_bits=256,
    gpu_name=None,
    gpu_free_bytes=0,
)


def resolved(plugin: str = "smollm2-dora", *overrides: str, **options: object) -> Resolved:
    request = Request(plugin, overrides=overrides, **options)  # type: ignore[arg-type]
    return resolve(request, LAPTOP)


@pytest.mark.parametrize(
    ("plugin", "parameters", "tensors", "legacy_mib"),
    [
        ("smollm2-dora", 24_035_328, 216, 11005.66),
        ("smollm2-dora/360m", 5_601_280, 288, 3852.42),
    ],
)
def test_published_communication_figures_come_out(
    plugin: str, parameters: int, tensors: int, legacy_mib: float
) -> None:
    plan = resolved(plugin).forecast
    assert plan.adapter.parameters == parameters
    assert plan.adapter.tensors == tensors
    assert plan.communication.total_mib_legacy == legacy_mib
    assert plan.communication.total_bytes > plan.communication.total_bytes_legacy


def test_the_default_recipe_is_the_reference_entry_value_for_value() -> None:
    spec = resolved().spec
    train = spec.train
    assert (spec.recipe, spec.model.hub_id) == ("1.7b", "HuggingFaceTB/SmolLM2-1.7B-Instruct")
    assert (spec.model.dtype, spec.model.quantization) == ("bfloat16", "fp4")
    assert spec.peft.name == "standard/dora"
    assert (spec.peft.params["r"], spec.peft.params["alpha"]) == (32, 64)
    assert set(spec.peft.params["target_modules"]) == {"down_proj", "up_proj", "gate_proj"}
    assert (train.batch_size, train.max_steps, train.rounds, train.fraction) == (16, 8, 12, 0.1)
    assert (train.learning_rate_max, train.learning_rate_min) == (2e-4, 6e-6)
    assert (train.round_schedule, train.optimizer) == ("cosine", "paged_adamw_8bit")
    assert spec.strategy.name == "standard/fedavg"
    assert spec.price is not None
    assert round(sum(spec.price.per_hour.values()), 4) == 0.3275


def test_the_same_request_gives_the_same_digest_and_another_seed_another() -> None:
    assert digest_of(resolved().spec) == digest_of(resolved().spec)
    assert digest_of(resolved().spec) != digest_of(resolved(seed=7).spec)


@pytest.mark.parametrize(
    "option",
    [
        "num_supernodes=20",
        "num-supernodes=20",
        "options.num-supernodes=20",
        "dataset.name=x",
        "static.dataset.name=x",
        "partitioner.kind=dirichlet",
        "communication.limit_mib=1e9",
        "protocol.batch_size=1",
        "evaluation.rows=1",
        "NUM_SUPERNODES=20",
        "numSupernodes=20",
        "train.num_supernodes=20",
        "Static.Dataset.Name=x",
        "data.name=x",
    ],
)
def test_static_values_cannot_be_set(option: str) -> None:
    found = resolved("smollm2-dora", option)
    assert [item.rule for item in found.violations] == ["static-values"]
    assert digest_of(found.spec) == digest_of(resolved().spec)


def test_every_violation_is_reported_at_once() -> None:
    found = resolved(
        "smollm2-dora", "num_supernodes=20", "rounds=20000", "learning_rate_min=1",
        "prompt.template={instruction} {input} {output}",
    )  # fmt: skip
    assert {item.rule for item in found.violations} == {
        "static-values", "communication-limit", "learning-rates", "response-marker",
    }  # fmt: skip


@pytest.mark.parametrize(
    "template",
    [
        "### Response: {output} ### Response: {output}",
        "{output} ### Response:",
        "### Respond: {output}",
    ],
)
def test_a_prompt_whose_marker_masks_wrongly_is_refused(template: str) -> None:
    found = resolved("smollm2-dora", f"prompt.template={template}")
    assert [item.rule for item in found.violations] == ["response-marker"]


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        ("prompt.template={sentence} ### Response: {output}", "response-marker"),
        ("prompt.template={instruction ### Response: {output}", "response-marker"),
        ("prompt.template={input:d} ### Response: {output}", "response-marker"),
        ("prompt.template={input} ### Response: {output} {input}", "response-marker"),
        ("data.instruction={sentence}", "data-templates"),
        ("data.output={", "data-templates"),
        ('data.filters=[{column="output", pattern="("}]', "data-templates"),
    ],
)
def test_a_template_that_no_row_can_fill_is_refused_by_plan(option: str, rule: str) -> None:
    assert [item.rule for item in resolved("smollm2-dora/360m", option).violations] == [rule]


def test_the_limit_is_strict_and_refuses_only_above_it() -> None:
    rounds = int(200_000 * 2**20 // (10 * resolved().forecast.communication.message_bytes))
    assert not resolved("smollm2-dora", f"rounds={rounds}").violations
    above = resolved("smollm2-dora", f"rounds={rounds + 1}").violations
    assert [item.rule for item in above] == ["communication-limit"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("ronuds=3", 'did you mean "rounds"'),
        ("title=10", "known: batch_size, codec, data, data_order, exact_peft, fraction"),
        ("rounds", "expected KEY=VALUE"),
        ("rounds=many", "rounds"),
        ("rounds=3.5", "rounds"),
        ("rounds=true", "rounds"),
        ("rounds=0", "greater than or equal to 1"),
        ("optimizer=adam", "optimizer"),
        ("train.ronuds=3", "did you mean"),
        ("model.hidden=4", "no such setting"),
        ("model.dtype=float16", "--set model.dtype"),
        ("rounds=nan", "no finite number"),
        ("learning_rate_max=1e400", "no finite number"),
        ("peft.r=1979-05-27", "JSON"),
        ("rounds=3\nfraction=1", "rounds"),
        ("rounds=3 # three", "rounds"),
        ("rounds=" + "[" * 3000, "rounds"),
        ("peft.rank=4", "--set peft.rank=4: standard/dora has no such parameter"),
        ("peft.r=0", "greater than or equal to 1"),
        ("peft.r=true", "whole number"),
        ('peft.r="4"', "whole number"),
        ("peft.dropout=1.0", "less than 1"),
        ("peft.target_modules=[]", "at least 1 item"),
        ('peft.target_modules=["q_proj", "q_proj"]', "twice"),
        ("peft.r.x=3", "no part 'x'"),
        ("peft=standard/", "expected plugin/component"),
        ("peft=Standard/LoRA", "expected plugin/component"),
        ("seed=3", "use --seed"),
        ("compute.threads=3", "use --threads"),
        ("evaluation_rows=3", "use --limit"),
    ],
)
def test_an_unusable_setting_is_named(option: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolved("smollm2-dora", option)
    assert caught.value.exit_code == 2


def test_settings_reach_the_spec() -> None:
    spec = resolved(
        "smollm2-dora/135m", "rounds=3", "train.max_steps=2", "peft.r=4", "model.dtype=float32",
        "peft.target_modules=['q_proj']", "prompt.append_eos=true",
    ).spec  # fmt: skip
    assert (spec.train.rounds, spec.train.max_steps, spec.peft.params["r"]) == (3, 2, 4)
    assert spec.model.dtype == "float32"
    assert spec.peft.params["target_modules"] == ["q_proj"]
    assert spec.train.prompt.append_eos


@pytest.mark.parametrize(
    ("plugin", "overrides", "message"),
    [
        ("smolm2-dora", (), 'did you mean "smollm2-dora"'),
        ("smollm2-dora/350m", (), 'did you mean "360m"'),
        ("standard", (), "no recipe, only"),
        ("smollm2-dora", ("strategy=fedprox",), 'did you mean "standard/fedprox"'),
        ("smollm2-dora", ("strategy=fedporx",), 'did you mean "standard/fedprox"'),
        ("smollm2-dora", ("peft=nosuch",), "known: standard/adalora, standard/dora"),
        ("smollm2-dora", ("peft.target_modules=['gate_porj']",), "its layers: down_proj"),
        ("smollm2-dora", ("model=smollm2-170m",), "has no model"),
    ],
)
def test_unknown_names_are_plugin_errors_with_a_suggestion(
    plugin: str, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        resolved(plugin, *overrides)
    assert caught.value.exit_code == 4


def test_the_environment_reaches_no_fixed_value(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of(resolved().spec)
    for name in ("NUM_SUPERNODES", "HARNESS_NUM_SUPERNODES", "HARNESS_DATASET_NAME"):
        monkeypatch.setenv(name, "20")
    assert digest_of(resolved().spec) == before


def test_a_large_model_without_a_gpu_needs_to_be_asked_for() -> None:
    large = resolved()
    with pytest.raises(UsageError, match=r"--device cpu.*--smoke"):
        refuse_hopeless_device("auto", large.spec, large.forecast)
    asked = resolved(device="cpu")
    refuse_hopeless_device("cpu", asked.spec, asked.forecast)
    small = resolved("smollm2-dora/135m")
    refuse_hopeless_device("auto", small.spec, small.forecast)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_training_that_no_memory_here_can_hold_is_refused_and_a_doubtful_one_is_told(
    device: str,
) -> None:
    forecast = resolved("smollm2-dora/135m").forecast
    estimate = forecast.estimate
    needed = estimate.memory_bytes if device == "cpu" else estimate.client_memory_bytes

    def said(there: int) -> str | None:
        machine = replace(
            LAPTOP, memory_bytes=there, gpu_name="cards", gpus_free_bytes=(there, there)
        )
        refuse_hopeless_memory(forecast, device, machine)
        return memory_doubt(forecast, device, machine)

    assert said(needed) is None
    assert "is forecast to take" in str(said(needed - 1))
    assert "is forecast to take" in str(said(needed // 4 + 1))
    with pytest.raises(UsageError, match="smaller batch_size"):
        said(needed // 4 - 1)


def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match="no CUDA GPU"):
        resolved(device="cuda")


def test_a_smoke_run_says_which_settings_it_replaces() -> None:
    sets = ("rounds=7", "max_steps=2", "learning_rate_max=1e-3", "peft.r=4", "model.dtype=float32")
    smoke = resolved("smollm2-dora", *sets, smoke=True)
    assert smoke.replaced == ("rounds=7 by 2", "dtype=float32 by smollm2-135m-instruct's")
    assert smoke.spec.train.learning_rate_max == 1e-3
    assert smoke.spec.peft.params["r"] == 4
    assert resolved("smollm2-dora", *sets).replaced == ()


def test_smoke_keeps_the_method_and_the_supernodes() -> None:
    full, smoke = resolved(), resolved(smoke=True)
    assert smoke.spec.peft == full.spec.peft
    assert smoke.spec.strategy == full.spec.strategy
    assert smoke.challenge.num_supernodes == 50
    assert smoke.spec.train.rounds == 2
    assert smoke.forecast.communication.clients_per_round == 5
    assert smoke.spec.model.parameters() == 134_515_008


@pytest.mark.parametrize("name", challenge_names())
def test_every_fixed_value_has_a_source(name: str) -> None:
    challenge = load_challenge(name)
    for key in ("num_supernodes", "dataset.name", "partitioner", "protocol", "evaluation"):
        assert challenge.sources[key]


def test_an_unknown_challenge_is_a_usage_error() -> None:
    with pytest.raises(HarnessError, match='did you mean "finance"'):
        resolved(challenge="finanse")


def test_a_gpu_that_is_not_there_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="no CUDA GPU was found"):
        refuse_absent_gpu("cuda", LAPTOP)
    refuse_absent_gpu("cpu", LAPTOP)
    refuse_absent_gpu("cuda", replace(LAPTOP, gpu_name="A card"))


def test_a_recipe_for_another_challenge_is_not_run_in_this_one(
    install_plugin: Callable[..., str],
) -> None:
    code = """
from harness import hookimpl
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_recipes():
    return [Recipe(name="mine", title="x", challenge="medical",
                   model="smollm2-dora/smollm2-135m-instruct",
                   peft=Choice(name="standard/lora"), strategy=Choice(name="standard/fedavg"),
                   train=TrainSpec())]
"""
    install_plugin("visitor", code)
    [found] = resolved("visitor", challenge="finance").violations
    assert found.rule == "same-challenge"
    assert found.found == "recipe visitor/mine is made for medical"
    assert found.expected == "a recipe for finance"
    assert not resolved("smollm2-dora", challenge="finance").violations


def test_a_plugin_alone_does_not_let_a_model_s_code_run(
    install_plugin: Callable[..., str],
) -> None:
    code = """
from harness import hookimpl
from harness.components import ModelSpec
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_models():
    return [ModelSpec(name="m", hub_id="org/coded", layers=1, hidden=8, intermediate=8, heads=2,
                      kv_heads=1, vocab=64, trust_remote_code=True)]

@hookimpl
def harness_recipes():
    return [Recipe(name="r", title="x", model="m", peft=Choice(name="standard/lora"),
                   strategy=Choice(name="standard/fedavg"), train=TrainSpec())]
"""
    install_plugin("coded", code)
    [found] = resolved("coded").violations
    assert (found.rule, found.found) == (
        "own-code", "org/coded is to run code out of its folder, and only a plugin asks for that"
    )  # fmt: skip
    asked = resolved("coded", "model.trust_remote_code=true")
    assert not asked.violations
    device = Device(kind="cpu", name="x", threads=1, actors=1, dtype="float32", deterministic=True)
    here = Environment(python="3.11", platform="x", packages={}, device=device, git=None)
    assert ineligible_because(asked.spec, asked.challenge, (), here) == (
        "org/coded: code out of the model's folder was allowed to run",
    )


@pytest.mark.parametrize(("rows", "said"), [(1, "first row of each set was"), (8, "8 rows of")])
def test_a_run_over_some_of_the_rows_says_how_many(rows: int, said: str) -> None:
    spec = resolve(Request(plugin="smollm2-dora/135m", evaluation_rows=rows)).spec
    [reason] = exercise_because(spec)
    assert said in reason


def test_a_recipe_for_any_board_trains_on_the_board_s_text(
    install_plugin: Callable[..., str],
) -> None:
    code = """
from harness import hookimpl
from harness.recipe import Choice, Recipe, TrainSpec

@hookimpl
def harness_recipes():
    return [Recipe(name="any", title="x", challenge=None,
                   model="smollm2-dora/smollm2-135m-instruct",
                   peft=Choice(name="standard/lora"), strategy=Choice(name="standard/fedavg"),
                   train=TrainSpec())]
"""
    install_plugin("guest", code)
    for name in challenge_names():
        found = resolved("guest", challenge=name)
        assert found.violations == ()
        assert found.spec.challenge.id == name
        template = getattr(found.challenge.dataset, "template", Prompt().template)
        assert found.spec.train.prompt.template == template
    assert resolved("guest").spec.challenge.id == default_board()


def test_a_smoke_run_has_no_price() -> None:
    """A recipe's prices are of another machine."""
    assert resolved().spec.price is not None
    assert resolved(smoke=True).spec.price is None


def test_the_training_time_is_four_operations_a_weight_and_token() -> None:
    """Six tenths of two cores of 90e9 operations a second, after 8 s of starting and loading."""
    sets = ("rounds=3", "max_steps=2", "batch_size=4", "fraction=0.1")
    found = resolved("smollm2-dora/135m", *sets)
    # Rounds, clients, steps; of a step four examples, what they share, and what it costs beside.
    tokens = 3 * 5 * 2 * (4 * 82 - 3 * 47 + 107)
    work = 4 * 134_515_008 * tokens
    start = 8 + 2.5e-8 * 134_515_008
    assert found.forecast.estimate.training_s == round(start + work / (2 * 0.6 * 90e9), 1)
    twice = resolved("smollm2-dora/135m", *sets, "gradient_accumulation_steps=2")
    assert twice.forecast.estimate.training_s == round(start + 2 * work / (2 * 0.6 * 90e9), 1)


RECIPES = """
from harness import hookimpl
from harness.recipe import Choice, Recipe, TrainSpec

def recipe(name, default):
    return Recipe(name=name, title="x", model="smollm2-dora/smollm2-135m-instruct",
                  peft=Choice(name="standard/lora"), strategy=Choice(name="standard/fedavg"),
                  train=TrainSpec(), default=default)

@hookimpl
def harness_recipes():
    return [recipe(name, name in DEFAULTS) for name in NAMES]
"""


@pytest.mark.parametrize(
    ("names", "defaults", "chosen"),
    [
        ("a", "", "a"), ("ab", "b", "b"),
        ("ab", "", "plugin 'many' has 2 recipes and 0 defaults; name one: many/a, many/b"),
        ("abc", "ac", "plugin 'many' has 3 recipes and 2 defaults; name one: many/a, many/b"),
    ],
)  # fmt: skip
def test_of_several_recipes_the_one_default_is_taken(
    names: str, defaults: str, chosen: str, install_plugin: Callable[..., str]
) -> None:
    install_plugin("many", f"NAMES, DEFAULTS = {names!r}, {defaults!r}\n{RECIPES}")
    if len(chosen) == 1:
        assert resolved("many").spec.recipe == chosen
    else:
        with pytest.raises(PluginError, match=re.escape(chosen)):
            resolved("many")


def test_a_single_value_is_a_list_of_one_where_a_list_is_expected() -> None:
    spec = resolved("smollm2-dora/135m", "strategy=federated-lora/hetlora", "strategy.shares=0.5",
                    "peft=standard/lora").spec  # fmt: skip
    assert spec.strategy.params["shares"] == [0.5]
