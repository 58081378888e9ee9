"""What a plan assumes of machines and models, in figures that a user can follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.boards.registry import protocol_of
from harness.document.units import MIB
from harness.errors import UsageError
from harness.machine.machine import Machine
from harness.planning.client_processes import client_memory_bytes, client_processes
from harness.planning.devices import choose_compute, refuse_hopeless_device
from harness.planning.resolve import Request, Resolved, resolve
from harness.spec import RunSpec

GPU = Machine(
    cores=16, memory_bytes=64 * 2**30, vector_bits=512, gpu_name="A card",
    gpu_free_bytes=16 * 2**30,
)  # fmt: skip
CPU = replace(GPU, gpu_name=None, gpu_free_bytes=0)
SETS = ("rounds=3", "max_steps=2", "batch_size=4", "fraction=0.1")


def resolved(recipe: str = "135m", machine: Machine = CPU, *sets: str, **more: object) -> Resolved:
    return resolve(Request(f"smollm2-dora/{recipe}", overrides=sets, **more), machine)  # type: ignore[arg-type]


TOKENS = 3 * 5 * 2 * (4 * 82 - 3 * 47 + 107)
"""Rounds, clients and steps of `SETS`; of a step four examples, what three of them share with the
first, and what a step costs beside."""
WORK = 4 * 134_515_008 * TOKENS


START_S = 8 + 2.5e-8 * 134_515_008
"""On a CPU: Flower and Ray, and the base model."""


@pytest.mark.parametrize(("bits", "speed"), [(512, 150e9), (256, 90e9), (128, 30e9)])
def test_a_core_is_as_fast_as_its_vectors_are_wide(bits: int, speed: float) -> None:
    machine = replace(CPU, vector_bits=bits, cores=10)
    found = resolved("135m", machine, *SETS).forecast.estimate
    assert found.training_s == round(START_S + WORK / (10 * 0.6 * speed), 1)
    assert found.basis.startswith("10 CPU cores, 82 tokens an example")


def test_cores_beyond_the_clients_threads_do_not_count() -> None:
    machine = replace(CPU, cores=64)
    found = resolved("135m", machine, *SETS, threads=2).forecast.estimate
    assert found.training_s == round(START_S + WORK / (5 * 2 * 0.6 * 150e9), 1)


class Measured:
    """A measurement that has ended."""

    def __init__(self, flops: float | None) -> None:
        self.flops = flops


def measured(machine: Machine, flops: float | None) -> Machine:
    return replace(machine, speed=Measured(flops))  # type: ignore[arg-type]


def test_a_core_that_was_measured_is_as_fast_as_that() -> None:
    found = resolved("135m", measured(replace(CPU, cores=10), 70e9), *SETS).forecast.estimate
    assert found.training_s == round(START_S + WORK / (10 * 0.6 * 70e9), 1)
    assert found.basis.startswith("10 CPU cores of 70 GFLOP/s each, 82 tokens an example")
    unknown = resolved("135m", measured(CPU, None), *SETS).forecast.estimate
    assert unknown == resolved("135m", CPU, *SETS).forecast.estimate


def test_a_gpu_is_as_fast_as_the_reference_entry_s() -> None:
    """1924.52 s for 12 rounds of 5 clients of 8 steps of 16 examples of the 1.7B model."""
    assert resolved("135m", GPU, *SETS).forecast.estimate.training_s == round(30 + WORK / 1.2e12, 1)
    reference = resolved("1.7b", GPU).forecast.estimate
    assert reference.training_s == pytest.approx(1924.52, rel=0.05)
    assert reference.basis.startswith("A card, ")


def test_short_sequences_make_short_examples() -> None:
    long = resolved("135m", CPU, *SETS, "seq_length=82").forecast.estimate
    short = resolved("135m", CPU, *SETS, "seq_length=41").forecast.estimate
    assert long == resolved("135m", CPU, *SETS).forecast.estimate
    left = (4 * 41 - 3 * 41 + 107) / (4 * 82 - 3 * 47 + 107)
    more_s = long.training_s - START_S
    assert short.training_s - START_S == pytest.approx(left * more_s, abs=0.2)


STEPS = [
    ("135m", 4, 1 / 0.589), ("135m", 16, 1 / 0.234), ("360m", 4, 1 / 0.256), ("360m", 16, 1 / 0.100)
]  # fmt: skip


@pytest.mark.parametrize(("model", "batch", "step_s"), STEPS)
def test_training_steps_are_forecast_within_three_tenths(
    model: str, batch: int, step_s: float
) -> None:
    """Seconds of a step of one process of one thread, from docs/speed.md; 159e9 were measured."""
    sizes = (f"batch_size={batch}", "rounds=1", "fraction=0.04", "max_steps=100")  # two clients
    one = measured(replace(CPU, cores=1), 159e9)
    many = resolved(model, one, *sizes, "peft.r=32").forecast.estimate
    few = resolved(model, one, *sizes[:-1], "peft.r=32", "max_steps=50").forecast.estimate
    assert (many.training_s - few.training_s) / 100 == pytest.approx(step_s, rel=0.3)


def test_a_model_that_ends_its_answers_is_evaluated_sooner() -> None:
    """SmolLM2-135M on two cores that multiply at 159e9 operations a second: 3,904 rows of finance
    took 288 s; a model trained without EOS took 7.5 to 41.9 s of a core where this one took 7.5."""
    two = measured(replace(CPU, cores=2), 159e9)
    ends = resolved("135m", two).forecast.estimate.evaluation_s
    talks = resolved("135m", two, "append_eos=false").forecast.estimate.evaluation_s
    assert ends is not None
    assert talks is not None
    assert ends == pytest.approx(288, rel=0.3)
    assert 2 < talks / ends < 5.6


RUNS = [("135m", 300, 17.7, 104.5), ("360m", 150, 34.4, 148.0)]
"""Of general-nlp on two cores that multiply at 159e9 operations a second: model, rows of each set,
seconds of its federation of one round and two steps, seconds of its evaluation."""


@pytest.mark.parametrize(("model", "rows", "training_s", "evaluation_s"), RUNS)
def test_a_run_is_forecast_within_three_tenths(
    model: str, rows: int, training_s: float, evaluation_s: float
) -> None:
    two = measured(replace(CPU, cores=2), 159e9)
    sets = ("rounds=1", "max_steps=2", f"model=smollm2-{model}-instruct")
    found = resolved("general-nlp-135m", two, *sets, evaluation_rows=rows).forecast.estimate
    assert found.training_s == pytest.approx(training_s, rel=0.3)
    assert found.evaluation_s == pytest.approx(evaluation_s, rel=0.3)


def test_an_evaluation_is_forecast_by_its_rows_and_the_cores() -> None:
    """9,967 rows of the medical board took 25 to 30 minutes of two cores (AMD EPYC) of 95e9
    operations a second."""
    two = measured(replace(CPU, cores=2), 95e9)
    whole = resolved("medical-135m", two).forecast.estimate.evaluation_s
    assert whole is not None
    assert whole * 9_967 / 11_577 == pytest.approx(1_800, rel=0.3)
    part = resolved("medical-135m", two, evaluation_rows=500).forecast.estimate.evaluation_s
    load_s = 2.5e-8 * 134_515_008
    assert part == pytest.approx(load_s + (whole - load_s) * 2_000 / 11_577, abs=0.2)
    four = measured(replace(CPU, cores=4), 95e9)
    assert resolved("medical-135m", four).forecast.estimate.evaluation_s == (
        pytest.approx(load_s + (whole - load_s) / 2, abs=0.1)
    )


def test_an_evaluation_on_a_card_is_forecast_by_its_launches_and_operations() -> None:
    """9,967 medical rows took 106 s on an H200, of which about 11 are loading."""
    found = resolved("medical-135m", replace(GPU, gpu_name="NVIDIA H200")).forecast.estimate
    assert found.evaluation_s is not None
    assert found.evaluation_s * 9_967 / 11_577 == pytest.approx(95, rel=0.3)


def test_drawn_programs_are_forecast_as_if_none_ended() -> None:
    """2,010 steps of four completions of SmolLM2-135M took 230 s of one core."""
    rows = 500 + 164 + 161 + 161
    found = resolved("code-135m").forecast.estimate.evaluation_s
    assert found is not None
    assert found / (rows * 1_436) == pytest.approx(230 / 2_010, rel=0.1)
    assert resolved("code-135m", GPU).forecast.estimate.evaluation_s is None


def test_files_are_forecast() -> None:
    """The hub's file of SmolLM2-135M-Instruct has 269,060,552 bytes; a run with an adapter of
    6,577,736 bytes keeps three of them and 17 MB of 10,935 answers, and while it trains one reply
    of the two in a round, and one of the round before."""
    found = resolved("general-nlp-135m").forecast.estimate
    assert found.download_bytes == pytest.approx(269_060_552, rel=0.01)
    assert found.disk_bytes == pytest.approx(5 * 6_577_736 + 17_100 * 1024, rel=0.1)


def test_the_replies_that_wait_for_their_round_s_end_are_forecast() -> None:
    """A smoke run of 5 clients a round, whose adapters have 24.8 MB, had 214 MiB on the disk while
    it trained, and was begun where 90 MiB were free."""
    found = resolve(Request("smollm2-dora", smoke=True), CPU).forecast.estimate.disk_bytes
    assert 214 <= found / MIB < 1.25 * 214


def memory_of(spec: RunSpec, **changes: object) -> int:
    return client_memory_bytes(spec.with_values(**changes), 1_000_000)


def test_the_memory_of_a_process_is_counted_part_by_part() -> None:
    """450 MiB of libraries, 4 bytes a weight of the base, 16 or 10 bytes an adapter's value, of
    each token 12 hidden and 6 intermediate numbers a layer, and the loss of two tokens a row."""
    spec = resolved("135m", CPU, *SETS, "optimizer=adamw_torch", device="cpu").spec
    activations = 4 * 82 * 30 * (12 * 576 + 6 * 1536) * 4 + 3 * 4 * 2 * 49_152 * 4
    base = 4 * 134_515_008
    assert memory_of(spec) == 450 * MIB + base + 16 * 1_000_000 + activations
    paged = spec.train.with_values(optimizer="paged_adamw_8bit")
    assert memory_of(spec, train=paged) == 450 * MIB + base + 10 * 1_000_000 + activations


@pytest.mark.parametrize(
    ("quantization", "dtype", "weight_bytes"),
    [
        ("fp4", "bfloat16", 0.5625), ("nf4", "bfloat16", 0.5625), ("int8", "bfloat16", 1.0),
        ("none", "bfloat16", 2.0), ("none", "float32", 4.0),
    ],
)  # fmt: skip
def test_on_a_gpu_linear_layers_stay_as_they_are_quantized(
    quantization: str, dtype: str, weight_bytes: float
) -> None:
    spec = resolved("135m", GPU, *SETS, "optimizer=adamw_torch").spec
    model = spec.model.with_values(quantization=quantization, dtype=dtype)
    linears = model.linear_parameters()
    rest = 4 * (model.parameters() - linears)
    activations = 4 * 82 * 30 * (12 * 576 + 6 * 1536) * 2 + 3 * 4 * 2 * 49_152 * 4
    expected = 450 * MIB + round(linears * weight_bytes) + rest + 16 * 1_000_000 + activations
    assert memory_of(spec, model=model) == expected


def test_the_loss_of_long_answers_over_a_large_vocabulary_needs_memory() -> None:
    """Three times the logits of 16 answers of 109 tokens, and of a padded batch two of all."""
    spec = resolved("general-nlp-135m", GPU, "train.batch_size=16").spec
    large = spec.model.with_values(vocab=256_000)

    def of_vocabulary(**train: object) -> int:
        changed = spec.train.with_values(**train)
        both = (memory_of(spec, model=model, train=changed) for model in (large, spec.model))
        return next(both) - next(both)

    tokens = 256_000 - 49_152
    packed = of_vocabulary()
    assert packed == 4 * tokens * (576 + 3 * 16 * 109)
    assert of_vocabulary(exact_peft=True) == packed + 4 * tokens * 2 * 16 * 139
    assert of_vocabulary(seq_length=64) == 4 * tokens * (576 + 3 * 16 * 64)


def test_processes_fill_six_tenths_of_the_memory() -> None:
    spec = resolved("135m", CPU, threads=1, device="cpu").spec
    each = client_memory_bytes(spec, 1_000_000)

    def processes(memory: int) -> int:
        machine = replace(CPU, memory_bytes=memory)
        return client_processes(spec, 5, 1_000_000, machine)

    assert processes(round(3 * each / 0.6) + 2) == 3
    assert processes(round(3 * each / 0.6) - 2) == 2


def test_a_model_of_a_thousand_million_weights_wants_a_gpu() -> None:
    plan = resolved("135m", CPU)
    narrow = plan.spec.model.with_values(layers=1, hidden=1, heads=1, kv_heads=1, vocab=1)
    most = 1 + 1_000_000_000 - narrow.parameters()

    def asked(vocabulary: int) -> None:
        spec = plan.spec.with_values(model=narrow.with_values(vocab=vocabulary))
        refuse_hopeless_device("auto", spec, plan.forecast)

    assert narrow.with_values(vocab=most).parameters() == 1_000_000_000
    asked(most - 1)
    with pytest.raises(UsageError, match="--device cpu"):
        asked(most)


def test_a_smoke_run_takes_four_threads_or_what_there_is() -> None:
    def threads(cores: int, smoke: bool = True) -> int:
        return choose_compute("cpu", None, smoke, replace(CPU, cores=cores), 5).threads

    assert [threads(cores) for cores in (1, 3, 4, 5, 16)] == [1, 3, 4, 4, 4]
    assert [threads(cores, smoke=False) for cores in (1, 5, 9, 10)] == [1, 1, 1, 2]


def test_threads_may_be_as_many_as_cores_and_no_more() -> None:
    assert choose_compute("cpu", 16, False, CPU, 5).threads == 16
    with pytest.raises(UsageError, match="--threads 17: this machine has 16 cores"):
        choose_compute("cpu", 17, False, CPU, 5)


def test_a_smoke_run_has_32_rows_a_partition_and_8_a_set() -> None:
    challenge = resolved("135m").challenge
    protocol = protocol_of(challenge)
    assert len(protocol.smoke_training()) == 32 * challenge.num_supernodes
    assert all(len(protocol.smoke_rows(item.task).rows) == 8 for item in challenge.evaluation)


def test_the_seed_is_the_same_for_everyone_who_names_none() -> None:
    assert resolved().spec.seed == 2026
    assert resolved("135m", CPU, seed=0).spec.seed == 0
