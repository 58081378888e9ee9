"""`python -m harness.federation GIVEN ANSWER`: the process that loads the plugins of a run.

It has given up files and network before this line (`harness.isolation`); `engine` starts it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from harness.document import parse_document, parse_json
from harness.federation.order import FederationOrder
from harness.federation.simulation.forked_clients import client_origin
from harness.isolation.answering import answer
from harness.processes.loading import loading


def ordered(text: str) -> Any:
    """Run the federation of an order."""
    order = parse_document(FederationOrder, parse_json(text, "order"), "order")
    here = order.options.superlink is None and order.options.ray_address is None
    # Before everything else: what clients import takes longer than all that is done meanwhile.
    with client_origin(order.job, order.folder) if here else nullcontext() as origin:
        with loading():
            from harness.federation.served import serve

        return serve(order, origin).model_dump(mode="json")


if __name__ == "__main__":
    answer(ordered)
