"""Extensions: small components that change one thing of a client's training each.

Five kinds hold code; a warm start is data and stands in the recipe. A recipe names them under
`extensions`, and they run where clients train: held back, and covered by their plugin's digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.document import Document

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer


@dataclass(frozen=True, slots=True)
class LossInput:
    """What a loss is made of: the N tokens of a batch that are trained on."""

    logits: Tensor
    """(N, vocabulary) float32, with gradients."""
    targets: Tensor
    """(N,) int64: the right tokens."""
    base_logits: Tensor | None = None
    """(N, vocabulary) float32 of the model with its untrained adapter, without gradients and
    without dropout; None where the loss does not ask for it."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss on logits, in place of the cross entropy: label smoothing, distillation."""

    name: str
    params: type[Document]
    loss: Callable[[LossInput, Any], Tensor]
    """(input, params) -> (N,) float32: the loss of each token by itself. The harness makes their
    mean over the optimizer step, and records the cross entropy beside it."""
    reads_base: bool = False
    """Whether it reads `base_logits`, which cost a forward pass more."""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class LocalOptimizer:
    """An optimizer of a client's steps, or groups with rates of their own: LoRA+, Muon."""

    name: str
    params: type[Document]
    build: Callable[[Mapping[str, Parameter], Any], Optimizer]
    """(trained tensors by name, params) -> a fresh torch optimizer over exactly these tensors. A
    group's `lr` is a multiple of the round's rate, which the harness puts in at each step."""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class RowsContext:
    """What the arrangement of a partition's rows may know."""

    partition: int
    round: int
    """From 1; 0 while rows are rewritten, which is done once for all rounds."""
    rounds: int
    seed: int
    """Of its own for each partition and round: `random.Random(seed)`."""


@dataclass(frozen=True, slots=True)
class ClientRows:
    """What a client makes of its partition's rows, and their order: augmentation, curriculum.

    Which rows a partition has is the challenge's.
    """

    name: str
    params: type[Document]
    rewrite: Callable[[Mapping[str, str], int, RowsContext, Any], Mapping[str, str]] | None = None
    """(row, its index in the partition, context, params) -> the row with the same columns."""
    order: Callable[[Sequence[Mapping[str, str]], RowsContext, Any], Sequence[int]] | None = None
    """(rows, context, params) -> their indices in the order in which a round trains on them, again
    from the first one where the round needs more."""
    repeats: bool = False
    """Whether an order may name a row twice."""
    drops: bool = False
    """Whether an order may leave rows out."""
    paper: str = ""


@dataclass(frozen=True, slots=True)
class RankContext:
    """What a client's rank may depend on."""

    r: int
    """The adapter's rank, which no client's exceeds."""
    num_supernodes: int
    seed: int
    """The run's."""


@dataclass(frozen=True, slots=True)
class ClientRanks:
    """A rank for each client: the first rows of A and columns of B that it trains (HetLoRA)."""

    name: str
    params: type[Document]
    rank: Callable[[int, RankContext, Any], int]
    """(partition, context, params) -> its rank, 1 to `context.r`, the same in every round."""
    paper: str = ""


class LoopSteps(Protocol):
    """What a local loop is given: the round's optimizer steps, to be taken one after another."""

    @property
    def count(self) -> int:
        """Steps that have to be taken, neither more nor fewer."""

    @property
    def trained(self) -> Mapping[str, Parameter]:
        """The trained tensors by name; their `grad` is set by `gradients`."""

    def gradients(self) -> Tensor:
        """Set the gradients of the step's examples, by the harness's own fast step.

        Returns:
            Scalar float64: the loss on these examples.
        """

    def take(self) -> None:
        """Clip the gradients, let the optimizer take the step, and go on to the next examples."""


@dataclass(frozen=True, slots=True)
class LocalLoop:
    """The local loop itself, where a method needs more than one gradient a step: SAM."""

    name: str
    params: type[Document]
    run: Callable[[LoopSteps, Any], None]
    """(steps, params): takes every step. Generators are seeded for round and partition."""
    gradients_per_step: int = 1
    """Most times that it asks for gradients before a step."""
    paper: str = ""


Extension = Loss | LocalOptimizer | ClientRows | ClientRanks | LocalLoop

EXTENSION_KINDS: Mapping[str, type[Any]] = {
    "loss": Loss,
    "optimizer": LocalOptimizer,
    "rows": ClientRows,
    "ranks": ClientRanks,
    "loop": LocalLoop,
}
"""Field of a recipe's `extensions` -> kind of component that it names."""
