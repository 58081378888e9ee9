"""A partition's rows as a plugin's code rewrites and orders them; which they are is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.components import RowsContext
from harness.errors import PluginError
from harness.plugins import Bound
from harness.plugins.guard import calling_plugin
from harness.spec import RunSpec, derived_seed

Row = Mapping[str, str]


def rewritten_rows(
    part: Bound | None, rows: Sequence[Row], partition: int, spec: RunSpec
) -> list[dict[str, str]]:
    """Return the rows of a partition as they are trained on, as many as they were.

    Args:
        part: the component; None: they stay as they are.
        rows: column -> text.
        partition: their partition.
        spec: the run.

    Raises:
        PluginError: it raises, or a row has other columns, or something else than text.
    """
    if part is None or part.value.rewrite is None:
        return [dict(row) for row in rows]
    seed = derived_seed(spec.seed, "rows", partition)
    context = RowsContext(partition, 0, spec.train.rounds, seed)
    return [_rewritten(part, row, index, context) for index, row in enumerate(rows)]


def _rewritten(part: Bound, row: Row, index: int, context: RowsContext) -> dict[str, str]:
    culprit = f"rows {part.name}: rewrite() of row {index} of partition {context.partition}"
    with calling_plugin(culprit):
        found = part.value.rewrite(dict(row), index, context, part.params)
    if not isinstance(found, Mapping) or found.keys() != row.keys():
        has = sorted(found) if isinstance(found, Mapping) else type(found).__name__
        raise PluginError(f"{culprit} returned {has!s:.80}; expected the columns {sorted(row)}")
    for column, text in found.items():
        if not isinstance(text, str):
            raise PluginError(f"{culprit}: {column} is {text!r:.40}; expected text")
    return dict(found)


def own_order(
    part: Bound, rows: Sequence[Row], partition: int, number: int, spec: RunSpec
) -> list[int]:
    """Return the rows of a round's steps, first to last, as a plugin's code orders them.

    Args:
        part: the component, which has an order.
        rows: those of the partition that are trained on.
        partition: their partition.
        number: the round, from 1.
        spec: the run, which says how many rows the round needs.

    Returns:
        `max_steps * gradient_accumulation_steps * batch_size` indices in [0, len(rows)).

    Raises:
        PluginError: it raises, or drops or repeats rows without saying so.
    """
    train = spec.train
    seed = derived_seed(spec.seed, "rows-order", partition, number)
    context = RowsContext(partition, number, train.rounds, seed)
    culprit = f"rows {part.name}: order() of partition {partition} in round {number}"
    with calling_plugin(culprit):
        order = list(part.value.order([dict(row) for row in rows], context, part.params))
    refuse_other_rows(part, order, len(rows), culprit)
    needed = train.max_steps * train.gradient_accumulation_steps * train.batch_size
    return (order * (needed // len(order) + 1))[:needed]


def refuse_other_rows(part: Bound, order: Sequence[object], rows: int, culprit: str) -> None:
    """Check that an order is of the partition's rows.

    Args:
        part: the component, which may say that it repeats or drops rows.
        order: what it returned.
        rows: how many there are.
        culprit: whose order it is, for messages.

    Raises:
        PluginError: it names what is no row, or none; or a row twice, or not at all, unsaid.
    """
    odd = [item for item in order if type(item) is not int or not 0 <= item < rows]
    if odd or not order:
        first = repr(odd[0])[:40] if odd else "nothing"
        raise PluginError(f"{culprit} has {first}; expected whole numbers from 0 to {rows - 1}")
    counts = Counter(order)
    twice = next((item for item, count in counts.items() if count > 1), None)
    if twice is not None and not part.value.repeats:
        raise PluginError(
            f"{culprit} names row {twice} {counts[twice]} times; name each once, or say"
            " repeats=True in the component"
        )
    if len(counts) < rows and not part.value.drops:
        lost = next(index for index in range(rows) if index not in counts)
        raise PluginError(
            f"{culprit} leaves out row {lost} of {rows}; name each once, or say drops=True in the"
            " component"
        )
