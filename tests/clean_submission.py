"""A synthetic submission in which everything agrees, built by computing everything.

Tests change one thing in it and seal it again, so that only the rule in question can object.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
from array import array
from collections import Counter
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from harness.boards.board import load_board
from harness.boards.challenge import Challenge, load_challenge
from harness.boards.leaks import PinnedLeak, pinned_leaks
from harness.boards.open_division import opened
from harness.boards.registry import board_of_task, protocol_of, reader_of
from harness.boards.rows import CONTEXT_CHARS, bind_target, pinned_digests
from harness.document import canonical_json, digest_of, pretty_json, sha256_text
from harness.document.float_sums import sum_in_order
from harness.document.safetensors_header import file_bytes
from harness.planning.forecast import message_bytes, message_bytes_legacy
from harness.planning.sampling import sampled_partitions
from harness.planning.schedule import learning_rate
from harness.record.card import card
from harness.record.federation import GENESIS, RoundRecord
from harness.record.file_names import ADAPTER_WEIGHTS_PATH
from harness.record.result import ResultRecord
from harness.scoring import statistics
from harness.spec import ChallengeRef, RunSpec
from harness.verify.files.adapter_weights import read_adapter_weights
from harness.verify.files.generations import generation_lines
from harness.verify.independent.adapter_shapes import known_shapes

COMMIT = "0123456789abcdef0123456789abcdef01234567"


COMMAND = (
    "harness", "run", "--plugin", "pretend/small",
    "--seed", "1", "--device", "cuda", "--threads", "2",
)  # fmt: skip
"""The command of a `Submission()`."""


def about_json(**values: Any) -> bytes:
    """Return an `about.json` with these values."""
    return pretty_json(
        {"schema": "flowertune-harness/about", "schema_version": 1, "date": "2026-04-02T12:00:00Z"}
        | values
    ).encode()


def fake_digest(*parts: object) -> str:
    """Return a digest that stands for tensors which nobody made."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


@cache
def official_targets(task: str) -> tuple[tuple[str, str], ...]:
    """Return (row digest, label) of each official row; the digests bind the labels."""
    board = board_of_task(task).id
    labels = reader_of(board).targets(task)
    return tuple(
        (row, next(label for label in labels if bind_target(row[:CONTEXT_CHARS], label) == row))
        for row in pinned_digests(board)[task]
    )


@cache
def generated(task: str, seed: int, skill: float) -> tuple[tuple[str, str, str, str], ...]:
    """Return (row, target, label, output) of a pretended model that is right with `skill`."""
    labels = reader_of(board_of_task(task).id).answers(task) or ()
    chance = random.Random(f"{task} {seed}")
    rows = []
    for row, target in official_targets(task):
        label = target if chance.random() < skill else chance.choice(labels)
        rows.append((row, target, label, f" {label}"))
    return tuple(rows)


def spec_value(challenge: Challenge, seed: int, rounds: int, rank: int) -> dict[str, Any]:
    """Return a RunSpec of a small pretended model with the price table of a small GPU."""
    return {
        "challenge": ChallengeRef.of(challenge).model_dump(mode="json"),
        "plugin": "pretend",
        "recipe": "small",
        "plugins": [
            {"name": "pretend", "version": "1.0.0", "digest": fake_digest("pretend")},
            {"name": "standard", "version": "0.1.0", "digest": fake_digest("standard")},
        ],
        "model": {
            "name": "pretend-1m", "hub_id": "pretend/pretend-1m", "layers": 2, "hidden": 32,
            "intermediate": 64, "heads": 4, "kv_heads": 2, "vocab": 512,
        },
        "peft": {
            "name": "standard/dora",
            "params": {
                "r": rank, "alpha": 8, "dropout": 0.0, "target_modules": ["up_proj", "q_proj"],
            },
        },
        "strategy": {"name": "standard/fedavg", "params": {}},
        "train": {"rounds": rounds},
        "price": {"per_hour": {"gpu": 0.25, "vcpu": 0.0088}},
        "seed": seed,
        "compute": {"device": "cuda", "threads": 2},
    }  # fmt: skip


def rounds_of(spec: RunSpec, challenge: Challenge, message: int) -> list[dict[str, Any]]:
    """Return a chain of rounds as the harness would have recorded it."""
    rounds: list[dict[str, Any]] = []
    previous = GENESIS
    size, longer = divmod(challenge.dataset.pin.rows, challenge.num_supernodes)
    for number in range(1, spec.train.rounds + 1):
        clients = challenge.clients_per_round(spec.train.fraction)
        partitions = sampled_partitions(spec.seed, number, challenge.num_supernodes, clients)
        replies = [
            {
                "partition": partition,
                "examples": size + (partition < longer),
                "train_loss": 8.0 / number + partition / 1000,
                "update_sha256": fake_digest(spec.seed, number, partition),
                "bytes_up": message,
            }
            for partition in partitions
        ]
        weight = sum(item["examples"] for item in replies)
        value = {
            "round": number,
            "partitions": list(partitions),
            "bytes_down": message * clients,
            "bytes_up": message * clients,
            "train_loss": sum_in_order(i["train_loss"] * i["examples"] for i in replies) / weight,
            "learning_rate": learning_rate(spec.train, number),
            "clients": replies,
            "aggregate_sha256": fake_digest(spec.seed, number, "aggregate"),
            "aggregation_error": 0.01 * number,
            "duration_s": 12.5,
            "previous_digest": previous,
            "digest": "",
        }
        record = RoundRecord.model_validate(value)
        previous = record.chain_digest()
        rounds.append(record.model_dump(mode="json") | {"digest": previous})
    return rounds


def score_of(challenge: Challenge, task: str, rows: Any) -> dict[str, Any]:
    """Return the official score of `rows`, every statistic computed."""
    targets, labels = [row[1] for row in rows], [row[2] for row in rows]
    summary = statistics.summarize(sum(map(str.__eq__, targets, labels)), len(targets))
    protocol = protocol_of(challenge)
    return {
        "task": task,
        "metric": "accuracy",
        "value": summary.accuracy,
        "correct": summary.correct,
        "examples": summary.examples,
        "stderr": summary.stderr,
        "interval": list(summary.interval),
        "macro_f1": None,
        "mcc": None,
        **protocol.measures(task, Counter(zip(targets, labels, strict=True))),
        "invalid_rate": 0.0 if protocol.rederivable else None,
        "leak": leak_of(challenge.id, task, rows),
        "references": protocol.constants(task, targets),
        "protocol": challenge.protocol.id,
        "generations_sha256": sha256_text(generation_lines(rows)),
    }


def leak_of(board: str, task: str, rows: Any) -> dict[str, Any]:
    """Return the leak counts of the official rows, the clean score counted."""
    known = pinned_leaks(board).get(task, PinnedLeak(frozenset(), ()))
    clean = known.clean(len(rows))
    right = sum(rows[row][1] == rows[row][2] for row in clean)
    return {
        "exact_rows": known.exact_rows(len(rows)),
        "text_rows": len(rows) - len(clean),
        "clean_value": right / len(clean) if clean else None,
        "clean_examples": len(clean),
    }


def data_records(challenge: Challenge) -> list[dict[str, Any]]:
    """Return the records of every data set and the model, as pinned."""
    records: list[dict[str, Any]] = [
        {"name": challenge.dataset.name, "kind": "training", "source": "hub", "revision": COMMIT,
         "rows": challenge.dataset.pin.rows, "sha256": fake_digest("training"),
         "files": {"train.parquet": fake_digest("training")}},
        {"name": "pretend/pretend-1m", "kind": "model", "source": "hub", "revision": COMMIT,
         "sha256": fake_digest("model"), "files": {"model.safetensors": fake_digest("model")}},
    ]  # fmt: skip
    for item in challenge.evaluation:
        pins = item.sha256 or [fake_digest(name) for name in item.files]
        files = dict(zip(item.files, pins, strict=True))
        lines = "".join(f"{name}:{digest}\n" for name, digest in sorted(files.items()))
        records.append(
            {"name": challenge.record_name(item), "kind": "evaluation", "source": "hub",
             "revision": COMMIT, "rows": item.rows, "files": files,
             "sha256": pins[0] if len(files) == 1 else sha256_text(lines)}
        )  # fmt: skip
    return records


@cache
def _clean(seed: int, skill: float, rounds: int, rank: int, board: str) -> dict[str, Any]:
    challenge = load_challenge(board)
    spec = RunSpec.model_validate(spec_value(challenge, seed, rounds, rank))
    shapes = known_shapes("standard/dora", spec.model, {}, ("up_proj", "q_proj"), rank)
    assert shapes is not None
    message = message_bytes(shapes)
    history = rounds_of(spec, challenge, message)
    tasks = [item.task for item in challenge.evaluation]
    scores = [score_of(challenge, task, generated(task, seed, skill)) for task in tasks]
    parameters = sum(map(prod, shapes.values()))
    timing = {"federate": 40.0 * rounds, "evaluate": 300.0}
    hours = sum(timing.values()) / 3600
    record = ResultRecord.model_validate(
        {
            "run_id": f"20260401T120000Z-{digest_of(spec)[:8]}-{seed:06x}",
            "created": "2026-04-01T12:00:00+00:00",
            "eligible": True,
            "ineligible_because": [],
            "challenge": spec.challenge.model_dump(),
            "spec_digest": digest_of(spec),
            "spec": spec.model_dump(),
            "federation": {
                "num_supernodes": challenge.num_supernodes,
                "roster_sha256": sha256_text(canonical_json(list(range(challenge.num_supernodes)))),
                "rounds": history,
            },
            "communication": {
                "bytes_total": sum(r["bytes_down"] + r["bytes_up"] for r in history),
                "limit_bytes": challenge.communication.limit_bytes,
                "message_bytes": message,
                "message_bytes_legacy": message_bytes_legacy(shapes),
            },
            "adapter": {
                "sha256": fake_digest(seed, "adapter"),
                "parameters": parameters,
                "file_bytes": file_bytes(shapes),
                "tensors": [
                    {"name": name, "shape": shape} for name, shape in sorted(shapes.items())
                ],
            },
            "scores": scores,
            "average": sum_in_order(score["value"] for score in scores) / len(scores),
            "timing": timing,
            "cost": {
                "currency": "USD", "per_hour": 0.2588, "hours": round(hours, 6),
                "total": round(0.2588 * hours, 4),
            },
            "environment": {
                "python": "3.11.7",
                "platform": "Linux",
                "packages": {
                    "flowertune-harness": "0.1.0", "flwr": "1.41.0", "flwr-datasets": "0.6.1",
                    "torch": "2.13.0", "transformers": "5.23.0", "tokenizers": "0.23.3",
                    "peft": "0.21.2", "bitsandbytes": "0.50.2", "lm-eval": "0.4.13",
                    "datasets": "4.8.5", "numpy": "2.4.6", "safetensors": "0.8.0",
                },
                "device": {
                    "kind": "cuda", "name": "RTX A4000", "threads": 2, "actors": 1,
                    "dtype": "bfloat16", "deterministic": True,
                },
                "git": None,
                "harness": {"version": "0.1.0", "digest": fake_digest("harness")},
            },
            "plugins": spec.model_dump()["plugins"],
            "data": data_records(challenge),
        }
    )  # fmt: skip
    return record.to_json()


def adapter_config(rank: int) -> dict[str, Any]:
    """Return what peft writes beside the pretended adapter's weights."""
    return {
        "peft_type": "LORA", "base_model_name_or_path": "pretend/pretend-1m", "r": rank,
        "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ["q_proj", "up_proj"],
        "use_dora": True, "use_rslora": False, "bias": "none", "task_type": "CAUSAL_LM",
        "peft_version": "0.21.2", "rank_pattern": {}, "modules_to_save": None,
    }  # fmt: skip


def safetensors(shapes: dict[str, list[int]]) -> bytes:
    """Return a safetensors file of float32 tensors with values that nobody trained."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, shape in sorted(shapes.items()):
        size = 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    chance = random.Random(1)
    values = array("f", (chance.uniform(-1, 1) for _ in range(position // 4)))
    return len(text).to_bytes(8, "little") + text + values.tobytes()


class Submission:
    """The parts of a submission, to be changed and then written."""

    def __init__(
        self, seed: int = 1, skill: float = 0.6, rounds: int = 3, rank: int = 4,
        board: str = "finance",
    ) -> None:  # fmt: skip
        self.challenge = load_challenge(board)
        self.record: dict[str, Any] = copy.deepcopy(_clean(seed, skill, rounds, rank, board))
        self.config = adapter_config(rank)
        self.generations = {
            task: [list(row) for row in generated(task, seed, skill)]
            for task in load_board(board).rows
        }
        self.ladder: list[Any] = []
        self.evidence: dict[str, Any] = {}
        self.extra: dict[str, bytes] = {}
        self.bits: dict[str, str] | None = None
        self.card: str | None = None

    def add_weights(self) -> None:
        """Put the adapter's file into the submission, and let the record name it."""
        shapes = {t["name"]: t["shape"] for t in self.record["adapter"]["tensors"]}
        data = safetensors(shapes)
        self.extra[ADAPTER_WEIGHTS_PATH] = data
        self.replace_weights(data)
        self.chain_weights()

    def chain_weights(self) -> None:
        """Let the last round's aggregate be the adapter's file."""
        data = self.extra[ADAPTER_WEIGHTS_PATH]
        _, weights = read_adapter_weights(io.BytesIO(data), len(data), ADAPTER_WEIGHTS_PATH)
        last = weights.tensors_sha256
        self.record["federation"]["rounds"][-1]["aggregate_sha256"] = last
        self.rechain()

    def respec(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the spec and what repeats it: its digest and the challenge reference."""
        change(self.record["spec"])
        spec = RunSpec.model_validate(self.record["spec"])
        self.record["spec"] = spec.model_dump(mode="json")
        self.record["spec_digest"] = digest_of(spec)
        self.rename()

    def rename(self) -> None:
        """Give the run the name that its time and its spec's digest make."""
        self.record["run_id"] = f"20260401T120000Z-{self.record['spec_digest'][:8]}-000001"

    def rechain(self) -> None:
        """Make the chain of rounds valid again."""
        previous = GENESIS
        for item in self.record["federation"]["rounds"]:
            item["previous_digest"] = previous
            item["digest"] = previous = RoundRecord.model_validate(item).chain_digest()

    def files(self) -> dict[str, bytes]:
        """Return every file but the manifest."""
        files = {
            "result.json": pretty_json(self.record).encode(),
            "adapter/adapter_config.json": pretty_json(self.config).encode(),
            "README.md": (self.card or self._card()).encode(),
        }
        for task, rows in self.generations.items():
            files[f"generations/{task}.jsonl"] = generation_lines(
                (row[0], row[1], row[2], row[3]) for row in rows
            ).encode()
        bits = self.bits or {
            task: "".join("1" if row[1] == row[2] else "0" for row in rows)
            for task, rows in self.generations.items()
        }
        files["rows.json"] = pretty_json(bits).encode()
        if self.ladder:
            files["ladder.json"] = pretty_json(self.ladder).encode()
        for level, value in self.evidence.items():
            files[f"evidence/{level}.json"] = pretty_json(value).encode()
        return files | self.extra

    def _card(self) -> str:
        """Return the card of the record, or of a clean one when the record is no record."""
        try:
            record = ResultRecord.model_validate(self.record)
            return card(record, opened(self.challenge, record.spec.open))
        except (ValueError, ArithmeticError, LookupError):
            return "# A pretended run\n"

    def recount(self) -> None:
        """Let every score, the average and the digests be those of the generations as they are."""
        scores = [score_of(self.challenge, task, rows) for task, rows in self.generations.items()]
        self.record["scores"] = scores
        total = sum_in_order(score["value"] for score in scores)
        self.record["average"] = total / len(scores)

    def replace_weights(self, data: bytes) -> None:
        """Put another file of the same tensors in place of the adapter's."""
        self.extra[ADAPTER_WEIGHTS_PATH] = data
        self.record["adapter"]["sha256"] = hashlib.sha256(data).hexdigest()
        self.record["adapter"]["file_bytes"] = len(data)

    def redigest(self) -> None:
        """Let the scores name the generations as they are now."""
        files = self.files()
        for score in self.record["scores"]:
            data = files.get(f"generations/{score['task']}.jsonl")
            if data is not None and score["metric"] == "accuracy":
                score["generations_sha256"] = hashlib.sha256(data).hexdigest()

    def write(self, folder: Path, sealed: bool = True) -> Path:
        """Write the files, and a manifest that fits them unless `sealed` is off."""
        files = self.files()
        if sealed:
            listing = {
                name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in files.items()
            }
            files["manifest.json"] = json.dumps({"files": listing}).encode()
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder


class KeptSubmission(Submission):
    """A committed submission, whose record may be changed and sealed again."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.kept = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "manifest.json"
        }
        self.record = json.loads(self.kept["result.json"])
        self.command = tuple(json.loads(self.kept["about.json"])["command"])

    def rename(self) -> None:
        """Give the run the name that its spec's digest makes."""
        first, _, last = self.record["run_id"].split("-")
        self.record["run_id"] = f"{first}-{self.record['spec_digest'][:8]}-{last}"

    def files(self) -> dict[str, bytes]:
        """Return every file but the manifest, the card made anew."""
        try:
            record = ResultRecord.model_validate(self.record)
            text = card(record, self.challenge, self.command).encode()
        except (ValueError, ArithmeticError, LookupError):
            text = self.kept["README.md"]
        return self.kept | {"result.json": pretty_json(self.record).encode(), "README.md": text}
