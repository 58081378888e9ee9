"""A family that the table has not: what transformers makes of a config.json, frozen into the spec.

The same facts as a row of `harness.components.families`, as data that travels with a ModelSpec.
They are read in `harness.sources.unknown_family` from the modules that transformers builds; whoever
has the spec needs neither transformers nor the config.json to count from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from harness.components.families import KEYS, Family, Projection, Size
from harness.document import Document

PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"
"""Where a module is in a model: `model.layers`, `self_attn.q_proj`."""
KEY = r"^[A-Za-z_][A-Za-z0-9_]*$"

Kind = Annotated[str, Field(pattern=KEY, max_length=40)]
"""Of a block, where a family's blocks can be of several: `attention`."""

MOST_PARTS = 64
"""Linear layers of a block, and its other weights; the families of the table have seven and six."""


def in_every_block(
    switches: Mapping[str, bool | int | str], layers: int
) -> dict[str, bool | int | list[str]]:
    """Return a layout's switches as config.json has them: a word as a list, one for each block."""
    return {
        key: [value] * layers if isinstance(value, str) else value
        for key, value in switches.items()
    }


class Part(Document):
    """One linear layer of a decoder block, as `Projection` has it."""

    name: str = Field(pattern=PATH, max_length=100)
    takes: Size
    gives: Size
    bias: bool = False


class Layout(Document):
    """What a decoder block of a family holds, as transformers builds it."""

    library: str = Field(max_length=40)
    """Whose modules were read: `transformers 5.24.0`."""
    blocks: str = Field("model.layers", pattern=PATH, max_length=100)
    """Path of the list of decoder blocks."""
    parts: tuple[Part, ...] = Field(min_length=1, max_length=MOST_PARTS)
    """The block's linear layers, in module order."""
    others: tuple[Size, ...] = Field((), max_length=MOST_PARTS)
    """Widths of the block's other weights, norms and their biases."""
    outside: tuple[Size, ...] = Field((), max_length=MOST_PARTS)
    """Widths of the weights beside blocks, embedding and output head."""
    embedding: str = Field("model.embed_tokens", pattern=PATH, max_length=100)
    head: str = Field("lm_head", pattern=PATH, max_length=100)
    intermediate: str = Field("intermediate_size", pattern=KEY, max_length=100)
    """Key of config.json that gives the intermediate size."""
    kv_heads: str = Field(
        KEYS["kv_heads"],
        pattern=KEY,
        max_length=100,
        exclude_if=lambda key: key == KEYS["kv_heads"],
    )
    """Key that says how many heads of keys and values there are."""
    switches: dict[str, bool | int | Kind] = Field(default_factory=dict, max_length=MOST_PARTS)
    """Key -> value of config.json where it is not the family's default; a small model of the family
    is made with them. A word stands for a list of it."""

    def family(self) -> Family:
        """Return these facts as a row of the table."""
        return Family(
            tuple(
                Projection(part.name, part.takes, part.gives, "always" if part.bias else "never")
                for part in self.parts
            ),
            norms=self.others,
            keys={"intermediate": self.intermediate, "kv_heads": self.kv_heads},
            outside=self.outside,
            blocks=self.blocks,
            embedding=self.embedding,
            head=self.head,
        )
