"""`python -m harness.planning.apart GIVEN ANSWER`: resolves a request where plugins are loaded."""

from __future__ import annotations

import json
from typing import Any

from harness.components import ModelSpec
from harness.document import parse_document
from harness.errors import NowhereError
from harness.isolation.answering import answer
from harness.planning.resolve import Request, resolve
from harness.recipe import Recipe


class UnknownModelError(Exception):
    """A recipe names a model of the hub, which has to be looked up where there is a network."""


def resolved(text: str) -> Any:
    """Resolve a request, and return what of it is data; or the model that has to be found first.

    Args:
        text: JSON of `request`, and of `models` that were found, or the reason why not, by
            `hub id@revision`.
    """
    given = json.loads(text)

    def known(hub_id: str, revision: str) -> ModelSpec:
        name = f"{hub_id}@{revision}"
        if name not in given["models"]:
            raise UnknownModelError(hub_id, revision)
        if isinstance(given["models"][name], str):
            raise NowhereError(given["models"][name])
        return parse_document(ModelSpec, given["models"][name], name)

    values = given["request"] | {"overrides": tuple(given["request"]["overrides"])}
    if values["recipe"] is not None:
        values["recipe"] = parse_document(Recipe, values["recipe"], "recipe")
    request = Request(**values)
    try:
        found = resolve(request, hub_models=known)
    except UnknownModelError as error:
        return {"model": list(error.args)}
    return {
        "spec": found.spec.model_dump(mode="json"),
        "forecast": found.forecast.model_dump(mode="json"),
        "violations": [item.model_dump(mode="json") for item in found.violations],
        "replaced": list(found.replaced),
    }


if __name__ == "__main__":
    answer(resolved)
