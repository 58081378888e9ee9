"""What a round of each known strategy moves, from the adapter's tensors alone.

Written from the strategies' papers and not from their code, so that the two check each other.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.boards.challenge import Challenge
from harness.components import HISTORY, Shapes
from harness.planning.forecast import sent_bytes
from harness.spec import RunSpec
from harness.verify.submission import Submission

A_SUFFIX = ".lora_A.weight"
B_SUFFIX = ".lora_B.weight"

Moves = tuple[Shapes, Shapes]
"""(down, up): the tensors of one message to a client, and of one from it."""


def moves(submission: Submission, number: int) -> Moves | None:
    """Return what round `number` moves; None when strategy or PEFT method are not known here."""
    spec = submission.record.spec
    rule = STRATEGIES.get(spec.strategy.name)
    # A PEFT method of another plugin may freeze tensors, which then do not travel.
    return rule(submission, number) if rule and spec.peft.name.startswith("standard/") else None


def growth(spec: RunSpec, challenge: Challenge) -> int:
    """Return how many times the recipe's rank the adapter has.

    FLoRA stacks every client's factors; FedEx-LoRA adds those of each round's residual, of one rank
    more than it has clients; peft's conversion of PiSSA and OLoRA doubles the rank. Sources:
    arxiv.org/abs/2409.05976, arxiv.org/abs/2410.09432, peft `subtract_mutated_init`.
    """
    clients = challenge.clients_per_round(spec.train.fraction)
    grown = {
        "standard/flora": spec.train.rounds * clients,
        "federated-lora/fedex-lora": 1 + spec.train.rounds * (clients + 1),
        "federated-lora/rebased": 2,
    }
    return grown.get(spec.strategy.name, 1)


def moved_bytes(submission: Submission, number: int) -> tuple[int, int] | None:
    """Return the bytes of one message down and of one up in round `number`; None as `moves`."""
    # Where the whole adapter travels every round is alike, and one is worked out.
    rule = STRATEGIES.get(submission.record.spec.strategy.name)
    key = ("moved", 0 if rule is _all else number)
    if key not in submission.memo:
        found = moves(submission, number)
        codec = submission.record.spec.train.codec
        submission.memo[key] = found and (
            sent_bytes(found[0], codec, "down"),
            sent_bytes(found[1], codec, "up"),
        )
    sizes: tuple[int, int] | None = submission.memo[key]
    return sizes


def whole_coded_bytes(submission: Submission) -> tuple[int, int] | None:
    """Return the bytes of the whole adapter down and up, in the run's codec.

    None as `moves`, but for any strategy: it needs no knowledge of one that sends all there is.
    """
    spec = submission.record.spec
    if spec.train.codec is None or not spec.peft.name.startswith("standard/"):
        return None
    shapes, codec = travelling(submission), spec.train.codec
    return sent_bytes(shapes, codec, "down"), sent_bytes(shapes, codec, "up")


def travelling(submission: Submission) -> Shapes:
    """Return the adapter's tensors without those that its PEFT method freezes."""
    if "travelling" not in submission.memo:
        submission.memo["travelling"] = _travelling(submission)
    shapes: Shapes = submission.memo["travelling"]
    return shapes


def _travelling(submission: Submission) -> Shapes:
    shapes = {item.name: item.shape for item in submission.record.adapter.tensors}
    if submission.record.spec.peft.name == "standard/ffa-lora":
        return {name: shape for name, shape in shapes.items() if not name.endswith(A_SUFFIX)}
    return shapes


def only(shapes: Shapes, suffix: str) -> Shapes:
    """Return the tensors whose name ends with `suffix`."""
    return {name: shape for name, shape in shapes.items() if name.endswith(suffix)}


def prefixed(shapes: Shapes, prefix: str) -> Shapes:
    """Return the tensors under longer names."""
    return {prefix + name: shape for name, shape in shapes.items()}


def _all(submission: Submission, number: int) -> Moves:
    shapes = travelling(submission)
    return shapes, shapes


def _ffa_lora(submission: Submission, number: int) -> Moves:
    """FFA-LoRA sends B both ways; A stays at its start. Source: https://arxiv.org/abs/2403.12313"""
    shapes = only(travelling(submission), B_SUFFIX)
    return shapes, shapes


def _rolora(submission: Submission, number: int) -> Moves:
    """RoLoRA sends both factors down, and up B in odd rounds, A in even ones.

    Source: https://arxiv.org/abs/2502.01755
    """
    shapes = travelling(submission)
    return shapes, only(shapes, B_SUFFIX if number % 2 else A_SUFFIX)


def _fedsa_lora(submission: Submission, number: int) -> Moves:
    """FedSA-LoRA sends A both ways; in the last round B comes up too, for a model to evaluate.

    Source: https://arxiv.org/abs/2410.01463
    """
    shapes = travelling(submission)
    shared = only(shapes, A_SUFFIX)
    return shared, shapes if number == submission.record.spec.train.rounds else shared


def _scaffold(submission: Submission, number: int) -> Moves:
    """SCAFFOLD sends a control variate beside every tensor, both ways.

    Source: https://arxiv.org/abs/1910.06378
    """
    shapes = travelling(submission)
    return shapes | prefixed(shapes, "control/"), shapes | prefixed(shapes, "control-delta/")


def _flora(submission: Submission, number: int) -> Moves:
    """FLoRA sends fresh factors up, and down the stack of those of all rounds before.

    With 5 clients a round and 12 rounds the adapter has 60 parts; before round 3 ten of them are
    stacked, so a message down holds 10/60 of the final rank and one up 1/60. Source: as `growth`.
    """
    total = growth(submission.record.spec, submission.challenge)
    fresh = _scaled(travelling(submission), 1, total)
    before = (number - 1) * total // max(1, submission.record.spec.train.rounds)
    down = prefixed(_scaled(travelling(submission), before, total), HISTORY) if before else {}
    return down, fresh


def _fedsvd(submission: Submission, number: int) -> Moves:
    """FedSVD sends both factors down and B up. Source: https://arxiv.org/abs/2505.12805"""
    shapes = travelling(submission)
    return shapes, only(shapes, B_SUFFIX)


def _fedex_lora(submission: Submission, number: int) -> Moves:
    """FedEx-LoRA sends the means and the residuals of all rounds before; A and B come up.

    With 5 clients a round's residual has 6 times the rank: before round 3 a message down holds 1
    and 12 parts. Source: https://arxiv.org/abs/2410.09432
    """
    total, shapes = growth(submission.record.spec, submission.challenge), travelling(submission)
    fresh = _scaled(shapes, 1, total)
    before = (number - 1) * (total - 1) // max(1, submission.record.spec.train.rounds)
    return fresh | (prefixed(_scaled(shapes, before, total), HISTORY) if before else {}), fresh


def _rebased(submission: Submission, number: int) -> Moves:
    """Federated PiSSA sends the means and the start; A and B come up."""
    fresh = _scaled(travelling(submission), 1, 2)
    return fresh | prefixed(fresh, HISTORY), fresh


def _scaled(shapes: Shapes, part: int, total: int) -> Shapes:
    """Return LoRA factors of `part` / `total` of their rank: A (r, in), B (out, r)."""
    return {
        name: (shape[0] * part // total, *shape[1:])
        if name.endswith(A_SUFFIX)
        else (*shape[:-1], shape[-1] * part // total)
        for name, shape in shapes.items()
    }


MoveRule = Callable[[Submission, int], Moves]

_WHOLE: dict[str, MoveRule] = {
    f"standard/{name}": _all
    for name in (
        "fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "qfedavg", "fedmedian",
        "fedtrimmedavg", "krum", "multikrum", "dp-server-side", "dp-client-side", "flexlora",
    )
}  # fmt: skip
STRATEGIES: dict[str, MoveRule] = _WHOLE | {
    "standard/ffa-lora": _ffa_lora,
    "standard/rolora": _rolora,
    "standard/fedsa-lora": _fedsa_lora,
    "standard/scaffold": _scaffold,
    "standard/flora": _flora,
    "federated-lora/fedex-lora": _fedex_lora,
    "federated-lora/fedsvd": _fedsvd,
    "federated-lora/lora-fair": _all,
    "federated-lora/hetlora": _all,
    "federated-lora/rebased": _rebased,
}
