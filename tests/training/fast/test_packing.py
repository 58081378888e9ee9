"""A packed batch means what the padded one means, and holds nothing twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.fast.packing import BLOCK, pack
from harness.training.rows.examples import Example

IDS = st.lists(st.integers(0, 3), min_size=2, max_size=40)
EXAMPLES = st.lists(
    IDS.flatmap(lambda ids: st.builds(Example, st.just(tuple(ids)), st.integers(1, len(ids) - 1))),
    min_size=1,
    max_size=6,
)


def paths(examples: list[Example]) -> dict[tuple[int, ...], int]:
    """Number the distinct prefixes in the order in which they first occur."""
    known: dict[tuple[int, ...], int] = {}
    for example in examples:
        for end in range(1, len(example.ids)):
            known.setdefault(example.ids[:end], len(known))
    return known


@settings(deadline=None)  # the machine may be busy
@given(EXAMPLES)
def test_every_distinct_prefix_is_one_token(examples: list[Example]) -> None:
    packed = pack(examples, "cpu")
    known = paths(examples)
    assert packed.ids[0].tolist() == [prefix[-1] for prefix in known]
    assert packed.positions[0].tolist() == [len(prefix) - 1 for prefix in known]


@settings(deadline=None)  # the machine may be busy
@given(EXAMPLES)
def test_every_label_is_predicted_from_all_that_precedes_it(examples: list[Example]) -> None:
    packed = pack(examples, "cpu")
    known = paths(examples)
    expected = [
        (known[example.ids[:end]], example.ids[end])
        for example in examples
        for end in range(example.response_start, len(example.ids))
    ]
    pairs = zip(packed.predicting.tolist(), packed.targets.tolist(), strict=True)
    assert list(pairs) == expected


@settings(deadline=None)  # the machine may be busy
@given(EXAMPLES)
def test_a_token_sees_its_own_prefix_and_nothing_else(examples: list[Example]) -> None:
    packed = pack(examples, "cpu")
    known = paths(examples)
    prefixes = list(known)
    keys = packed.keys.view(len(packed.mask), -1)
    for token, query in enumerate(packed.collect.tolist()):
        assert packed.queries[query] == token
        block, row = divmod(query, BLOCK)
        seen = keys[block][packed.mask[block, 0, row] == 0].tolist()
        prefix = prefixes[token]
        assert seen == [known[prefix[: end + 1]] for end in range(len(prefix))]
