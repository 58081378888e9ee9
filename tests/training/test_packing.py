"""A packed batch holds every example once, and nothing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.training.examples import Example
from harness.training.packing import pack

IDS = st.lists(st.integers(0, 3), min_size=2, max_size=12)
EXAMPLES = st.lists(
    IDS.flatmap(lambda ids: st.builds(Example, st.just(tuple(ids)), st.integers(1, len(ids) - 1))),
    min_size=1,
    max_size=6,
)


@given(EXAMPLES)
def test_examples_can_be_read_back(examples: list[Example]) -> None:
    packed = pack(examples, "cpu")
    length = packed.spread.shape[0] // packed.examples
    spread = packed.spread.view(packed.examples, length)
    pairs = []
    for row, example in enumerate(examples):
        inputs = len(example.ids) - 1
        places = spread[row, :inputs]
        assert tuple(packed.ids[0][places].tolist()) == example.ids[:-1]
        assert packed.positions[0][places].tolist() == list(range(inputs))
        pairs += [
            (int(places[i]), example.ids[i + 1]) for i in range(example.response_start - 1, inputs)
        ]
    assert pairs == list(zip(packed.predicting.tolist(), packed.targets.tolist(), strict=True))


@given(EXAMPLES)
def test_a_shared_prefix_is_held_once(examples: list[Example]) -> None:
    packed = pack(examples, "cpu")
    prefixes = {e.ids[:end] for e in examples for end in range(1, len(e.ids))}
    assert packed.ids.shape == (1, len(prefixes))
    assert packed.spread[packed.collect].tolist() == list(range(len(prefixes)))
