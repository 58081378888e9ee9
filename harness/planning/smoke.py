"""`--smoke`: the same code path without hub, account or GPU.

A smoke run keeps the recipe's PEFT method, strategy, optimizer and prompt, and the challenge's 50
supernodes. It replaces what needs a download (the model becomes SmolLM2-135M, the text a synthetic
finance corpus made here) and what needs hours (2 rounds of 2 short steps). Its result is never
eligible.
"""

from __future__ import annotations

import itertools
import random

from harness.boards.challenge import Challenge
from harness.components import ModelSpec
from harness.document import canonical_json, sha256_text
from harness.recipe import TrainSpec

TRAINING_ROWS = 1_600
"""32 rows for each of 50 partitions: more than a smoke client sees."""
EVALUATION_ROWS = 8
"""Rows per evaluation set."""
CORPUS_SEED = 20_260_329

SMOKE_MODEL = ModelSpec(
    name="smollm2-135m-instruct",
    hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    layers=30,
    hidden=576,
    intermediate=1536,
    heads=9,
    kv_heads=3,
    vocab=49152,
    licence="apache-2.0",
)
"""The one model whose weights come from a package registry; see `harness.sources`."""

_COMPANIES = (
    "Alder Bank", "Norrsken Steel", "Pelagia Foods", "Quillon Software", "Tamarind Air",
    "Vesterbro Retail", "Kestrel Energy", "Lumen Optics", "Harrow Paper", "Ostrava Motors",
)  # fmt: skip
_EVENTS = {
    "positive": (
        "raised its full-year guidance after record orders",
        "reported that quarterly profit rose {n} % on strong demand",
        "won a contract worth {n} million euros",
        "will increase its dividend by {n} %",
    ),
    "negative": (
        "cut {n} jobs as sales kept falling",
        "warned that its operating loss would widen to {n} million euros",
        "lost {n} % of its market value after the recall",
        "missed estimates and suspended its outlook",
    ),
    "neutral": (
        "will publish its interim report in week {n}",
        "appointed a new head of investor relations",
        "said its annual meeting will be held in room {n} of the head office",
        "moved its registered office to another district",
    ),
}


def smoke_training(train: TrainSpec) -> TrainSpec:
    """Return `train` cut down to a smoke run: 2 rounds of 2 steps of 4 short examples."""
    return train.with_values(
        rounds=2,
        fraction=0.1,
        max_steps=2,
        batch_size=min(train.batch_size, 4),
        gradient_accumulation_steps=1,
        seq_length=min(train.seq_length, 128),
        save_every_rounds=2,
    )


def training_rows(challenge: Challenge) -> list[dict[str, str]]:
    """Return the synthetic training corpus, `input`, `output` and `instruction` per row."""
    instruction = challenge.protocol.instruction.format(tag="news")
    return [
        {"input": text, "output": label, "instruction": instruction}
        for text, label in _sentences("training", TRAINING_ROWS)
    ]


def evaluation_rows(task: str) -> list[tuple[str, str]]:
    """Return `(text, label)` of the synthetic rows of one evaluation set."""
    return list(_sentences(task, EVALUATION_ROWS))


def corpus_digest(purpose: str) -> str:
    """Return the sha256 of the synthetic rows made for `purpose` ("training" or a task)."""
    rows = TRAINING_ROWS if purpose == "training" else EVALUATION_ROWS
    return sha256_text(canonical_json(list(_sentences(purpose, rows))))


def _sentences(purpose: str, count: int) -> list[tuple[str, str]]:
    draw = random.Random(f"{CORPUS_SEED}/{purpose}")
    labels = itertools.islice(itertools.cycle(sorted(_EVENTS)), count)
    rows = []
    for label in labels:
        event = draw.choice(_EVENTS[label]).format(n=draw.randint(2, 90))
        rows.append((f"{draw.choice(_COMPANIES)} {event} .", label))
    return rows
