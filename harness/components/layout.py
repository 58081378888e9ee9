"""A family that the table has not: what transformers makes of a config.json, frozen into the spec.

The same facts as a row of `harness.components.families`, as data that travels with a ModelSpec.
They are read from the modules that transformers builds (`harness.sources.modules`); whoever has
the spec needs neither transformers nor the config.json to count from them.
"""

from __future__ import annotations

from pydantic import Field

from harness.components.families import Family, Projection, Size
from harness.document import Document

PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"
"""Where a module is in a model: `model.layers`, `self_attn.q_proj`."""
KEY = r"^[A-Za-z_][A-Za-z0-9_]*$"

MOST_PARTS = 64
"""Linear layers of a block, and its other weights; the families of the table have seven and six."""


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
    switches: dict[str, bool] = Field(default_factory=dict, max_length=MOST_PARTS)
    """Key -> value of config.json where it is not the family's default; a small model of the family
    is made with them."""

    def family(self) -> Family:
        """Return these facts as a row of the table."""
        return Family(
            tuple(
                Projection(part.name, part.takes, part.gives, "always" if part.bias else "never")
                for part in self.parts
            ),
            norms=self.others,
            keys={"intermediate": self.intermediate},
            outside=self.outside,
            blocks=self.blocks,
            embedding=self.embedding,
            head=self.head,
        )
