"""DoRA (https://arxiv.org/abs/2402.09353) on the MLP of SmolLM2, averaged by FedAvg."""

from __future__ import annotations

from harness.recipe import Choice, DataSpec, Price, Prompt, Recipe, TrainSpec
from harness_smollm2_dora import models

MLP = ["down_proj", "up_proj", "gate_proj"]


def _dora(rank: int) -> Choice:
    return Choice(
        name="standard/dora",
        params={"r": rank, "alpha": 2 * rank, "dropout": 0.075, "target_modules": MLP},
    )


FEDAVG = Choice(name="standard/fedavg")

REFERENCE_TRAINING = TrainSpec(
    rounds=12,
    fraction=0.1,
    max_steps=8,
    batch_size=16,
    learning_rate_max=2e-4,
    learning_rate_min=6e-6,
    optimizer="paged_adamw_8bit",
    save_every_rounds=5,
)

REFERENCE = Recipe(
    name="1.7b",
    title="SmolLM2-1.7B-Instruct, DoRA r=32 on the MLP, FedAvg (the reference entry)",
    model=models.SMOLLM2_1_7B.name,
    peft=_dora(32),
    strategy=FEDAVG,
    train=REFERENCE_TRAINING,
    price=Price(
        per_hour={
            "4 vCPUs": 0.0088,
            "16 GB memory": 0.056,
            "1 RTX A4000 16 GB": 0.25,
            "70 GB boot disk": 0.0077,
            "public IPv4 address": 0.005,
        }
    ),
    default=True,
)
"""Source: the published entry's method and cost tables, value for value."""

SMALLER = Recipe(
    name="360m",
    title="SmolLM2-360M-Instruct, DoRA r=16 on the MLP, FedAvg, 18 rounds",
    model=models.SMOLLM2_360M.name,
    peft=_dora(16),
    strategy=FEDAVG,
    train=REFERENCE_TRAINING.with_values(rounds=18),
)

THREE_WAY = DataSpec(
    output_map={
        f"{degree} {label}": label
        for degree in ("mildly", "moderately", "strong")
        for label in ("negative", "positive")
    }
)
"""The evaluation asks for three labels; a fifth of the training rows answer in seven."""

AS_ASKED = Prompt(
    template="Instruction: {instruction}\nInput: {input}\nAnswer: \n{output}\n",
    response_marker="Answer: ",
    append_eos=True,
)
"""The form in which the evaluation asks, and an answer on a line of its own. Upstream's evaluation
continues nearly every row from a pad, so the first token is read off a place that cannot see the
question; the line break takes that place, and the label comes after it. A break follows the label
too, so that no word is followed by EOS: with an EOS after the label, the pad was. The EOS keeps a
small model from talking on: upstream's parser takes any "positive" that follows for its answer."""

LAPTOP = Recipe(
    name="135m",
    title="SmolLM2-135M-Instruct, DoRA r=8 on the MLP, FedAvg, for two CPU cores",
    model=models.SMOLLM2_135M.name,
    peft=_dora(8),
    strategy=FEDAVG,
    train=REFERENCE_TRAINING.with_values(
        rounds=5,
        max_steps=40,
        batch_size=4,
        learning_rate_max=3e-3,
        learning_rate_min=1e-3,
        data_order="per-round",
        data=THREE_WAY,
        prompt=AS_ASKED,
    ),
)
"""About ten minutes of training on two cores; the learning rate is a small model's."""


def _template(asked: str) -> str:
    return (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request."
        f"\n### Instruction:\n{asked}\n### Response: {{output}}"
    )


GENERAL = Prompt(template=_template("{instruction}"))
"""Source: FLOWERTUNE general-nlp template, which drops a row's input."""

MEDICAL = Prompt(template=_template("{input}"))
"""Source: FLOWERTUNE medical template, which asks a row's input: the instruction is always the
same."""

CODE = Prompt(template=_template("{instruction} {input}"))
"""Source: FLOWERTUNE code template, which joins both, with a space even where there is no input."""


def _of_board(challenge: str, prompt: Prompt) -> list[Recipe]:
    """Return a board's recipe for a 16 GB card and the one for a laptop."""
    large = REFERENCE.with_values(
        name=f"{challenge}-1.7b",
        title=f"SmolLM2-1.7B-Instruct, DoRA r=32 on the MLP, FedAvg, {challenge}, for a 16 GB card",
        challenge=challenge,
        train=REFERENCE_TRAINING.with_values(prompt=prompt),
        default=False,
    )
    small = LAPTOP.with_values(
        name=f"{challenge}-135m",
        title=f"SmolLM2-135M-Instruct, DoRA r=8 on the MLP, FedAvg, {challenge}, for two CPU cores",
        challenge=challenge,
        train=REFERENCE_TRAINING.with_values(
            rounds=5,
            max_steps=20,
            batch_size=4,
            learning_rate_max=1e-3,
            learning_rate_min=3e-4,
            data_order="per-round",
            prompt=prompt,
        ),
    )
    return [large, small]


OTHER_BOARDS = [
    *_of_board("general-nlp", GENERAL),
    *_of_board("medical", MEDICAL),
    *_of_board("code", CODE),
]
"""Answers are paragraphs on these boards, four times as long as finance's: half the steps."""
