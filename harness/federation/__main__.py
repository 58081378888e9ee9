"""`python -m harness.federation GIVEN ANSWER`: the process that loads the plugins of a run.

It has given up files and network before this line (`harness.isolation`); `engine` starts it.
"""

from __future__ import annotations

from typing import Any

from harness.document import parse_document, parse_json
from harness.federation.order import FederationOrder
from harness.isolation.answering import answer
from harness.processes.loading import loading


def ordered(text: str) -> Any:
    """Run the federation of an order."""
    with loading():
        from harness.federation.served import serve

    order = parse_document(FederationOrder, parse_json(text, "order"), "order")
    return serve(order).model_dump(mode="json")


if __name__ == "__main__":
    answer(ordered)
