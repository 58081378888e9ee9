"""A run's scores as an Every Eval Ever record, the schema that evaluations are shared in.

Source: `eval.schema.json` of the package `every-eval-ever` 0.3.0, and the paths that its validator
takes: `data/<collection>/<developer>/<model>/<UUID4>.json`.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from harness.boards.challenge import Challenge
from harness.document import pretty_json
from harness.record.about import typed
from harness.record.result import ResultRecord
from harness.record.score import Score

SCHEMA_VERSION = "0.3.0"
FOLDER = "every_eval_ever/data"
DESCRIPTIONS = {
    "accuracy": "Share of rows whose answer, read from the generated text, is right",
    "loglikelihood_accuracy": "Share of rows whose right answer has the largest log-likelihood",
}


def record_path(record: ResultRecord, repository: str) -> str:
    """Return where the record of a run lies in its repository; the same run has the same path."""
    digest = hashlib.sha256(f"{record.run_id} {repository}".encode()).digest()
    name = uuid.UUID(bytes=digest[:16], version=4)
    return f"{FOLDER}/{_collection(record)}/{repository}/{name}.json"


def evaluation_record(
    record: ResultRecord, challenge: Challenge, repository: str, command: tuple[str, ...] = ()
) -> bytes:
    """Return the record as JSON: every score of the run with its interval.

    Args:
        record: a run over whole evaluation sets.
        challenge: its rules, which name the data sets.
        repository: `owner/name` on the hub, the model's name there.
        command: what was typed; empty for a run that did not keep it.
    """
    moment = str(int(datetime.fromisoformat(record.created).timestamp()))
    owner, name = repository.split("/")
    code = record.environment.harness
    value = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{_collection(record)}/{repository}/{moment}",
        "evaluation_timestamp": moment,
        "retrieved_timestamp": moment,
        "source_metadata": {
            "source_name": f"https://huggingface.co/{repository}",
            "source_type": "evaluation_run",
            "source_organization_name": owner,
            "evaluator_relationship": "first_party",
            "additional_details": {
                "run_id": record.run_id,
                "spec_digest": record.spec_digest,
                "challenge_digest": record.challenge.digest,
                "eligible": str(record.eligible).lower(),
                "code_that_ran": record.code,
            },
        },
        "eval_library": {
            "name": "flowertune-harness",
            "version": "unknown" if code is None else code.version,
            "additional_details": {
                **({} if code is None else {"harness_digest": code.digest}),
                **{f"package_{key}": text for key, text in record.environment.packages.items()},
            },
        },
        "model_info": {
            "name": name,
            "id": repository,
            "developer": owner,
            "inference_engine": {
                "name": "transformers",
                "version": record.environment.packages.get("transformers", "unknown"),
            },
            "additional_details": _model_details(record),
        },
        "evaluation_results": [
            _result(score, record, challenge, moment, command) for score in record.scores
        ],
    }
    return pretty_json(value).encode()


def _collection(record: ResultRecord) -> str:
    return f"flowertune-{record.challenge.id}"


def _model_details(record: ResultRecord) -> dict[str, str]:
    spec = record.spec
    return {
        "deployment_type": "self_deployed",
        "model_availability": "open_weights",
        "base_model": spec.model.hub_id,
        "base_model_sha256": next(i.sha256 for i in record.data if i.kind == "model"),
        "quantization": spec.model.quantization,
        "adapter_sha256": record.adapter.sha256,
        "adapter_parameters": str(record.adapter.parameters),
        "peft_method": spec.peft.name,
        "strategy": spec.strategy.name,
        "rounds": str(len(record.federation.rounds)),
        "communication_bytes": str(record.communication.bytes_total),
    }


def _result(
    score: Score, record: ResultRecord, challenge: Challenge, moment: str, command: tuple[str, ...]
) -> dict[str, Any]:
    item = challenge.evaluation_set(score.task)
    source = next(
        i for i in record.data if i.kind == "evaluation" and i.name == challenge.record_name(item)
    )
    low, high = score.interval
    official = score.metric == "accuracy"
    measures = {key: value for key, value in score.measures.items() if value is not None}
    settings = {"temperature": 0.0} | ({"execution_command": typed(command)} if command else {})
    return {
        "evaluation_result_id": f"{score.task}/{score.metric}",
        "evaluation_name": score.task,
        "evaluation_timestamp": moment,
        "source_data": {
            "dataset_name": item.title,
            "source_type": "hf_dataset",
            "hf_repo": item.dataset,
            "samples_number": score.examples,
            "additional_details": {
                "files": ", ".join(item.files),
                "revision": source.revision,
                "sha256": source.sha256,
                **({"notes": "; ".join(source.notes)} if source.notes else {}),
            },
        },
        "metric_config": {
            "evaluation_description": DESCRIPTIONS[score.metric],
            "metric_id": score.metric,
            "metric_name": "Accuracy" if official else "Log-likelihood accuracy",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
            "additional_details": {"protocol": score.protocol, "official": str(official).lower()},
        },
        "score_details": {
            "score": score.value,
            "details": {
                "correct": str(score.correct),
                "generations_sha256": score.generations_sha256,
                **{name: repr(value) for name, value in measures.items()},
                **{f"constant_{name}": repr(value) for name, value in score.references.items()},
            },
            "uncertainty": {
                "standard_error": {"value": score.stderr, "method": "analytic"},
                "confidence_interval": {
                    "lower": low,
                    "upper": high,
                    "confidence_level": 0.95,
                    "method": "bootstrap",
                },
                "num_samples": score.examples,
            },
        },
        **({"generation_config": {"generation_args": settings}} if official else {}),
    }
