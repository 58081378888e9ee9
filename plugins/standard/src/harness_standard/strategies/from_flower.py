"""Flower's own strategies as components: built by name, their adapter kept in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.components import StrategyContext
from harness.document import Document
from harness_standard.strategies.fedavg import sampling

if TYPE_CHECKING:
    from flwr.app import ArrayRecord, Message, MetricRecord
    from flwr.serverapp.strategy import Strategy


def from_flower(name: str, **fixed: Any) -> Callable[[Document, StrategyContext], Strategy]:
    """Return `StrategyMethod.build` of one of Flower's strategies.

    Args:
        name: class in `flwr.serverapp.strategy`.
        fixed: arguments that no recipe chooses. The parameters of the component are named as
            Flower's other arguments, so they pass straight through.
    """

    def build(params: Document, context: StrategyContext) -> Strategy:
        import flwr.serverapp.strategy as flower

        kind = in_float32(getattr(flower, name))
        strategy: Strategy = kind(**sampling(context), **fixed, **params.model_dump())
        return strategy

    return build


@cache
def in_float32(kind: type[Any]) -> type[Any]:
    """Return Flower's strategy class `kind` with its aggregate cast to float32.

    With numpy 2, FedAdam and its relatives and QFedAvg multiply float32 arrays by float64 scalars,
    which makes the adapter float64: twice the bytes from round 2 on, and no client accepts it.
    """

    class Float32(kind):  # type: ignore[misc]
        """Flower's strategy, its result in float32."""

        def aggregate_train(
            self, server_round: int, replies: Iterable[Message]
        ) -> tuple[ArrayRecord | None, MetricRecord | None]:
            """Aggregate as Flower does, then cast."""
            import numpy as np
            from flwr.app import Array, ArrayRecord

            arrays, metrics = super().aggregate_train(server_round, replies)
            if arrays is None:
                return arrays, metrics
            cast = {
                name: Array(np.asarray(array.numpy(), dtype=np.float32))
                for name, array in arrays.items()
            }
            return ArrayRecord(cast), metrics

    Float32.__name__ = Float32.__qualname__ = f"Float32{kind.__name__}"
    return Float32
