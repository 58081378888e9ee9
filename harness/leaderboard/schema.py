"""`result.schema.json`: the JSON Schema of a result record."""

from __future__ import annotations

from typing import Any

from harness.record.result import ResultRecord


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `result.json`."""
    schema = ResultRecord.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
