"""An error on its way to another process: as text there, as the same error here.

Clients answer a server so, the ServerApp of a SuperLink the command that started it, and the
evaluating process the one that asked for an evaluation.
"""

from __future__ import annotations

import json
import traceback
from typing import Self

from harness import errors
from harness.document import Document, parse_document, parse_json
from harness.errors import HarnessError


class CarriedError(Document):
    """An error, by name and in words."""

    name: str
    """Of the harness's errors the class in `harness.errors`, a plugin's sub-class of one included;
    of any other its own class."""
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Describe an error that was raised."""
        own = type(error)
        kinds = [kind for kind in own.__mro__ if kind is getattr(errors, kind.__name__, None)]
        name = kinds[0].__name__ if kinds else own.__name__
        if not kinds and hasattr(errors, name):  # a plugin's class that is called like one of ours
            name = f"{own.__module__}.{name}"
        return cls(
            name=name,
            message=_clean(str(error)),
            traceback=_clean("".join(traceback.format_exception(error))),
        )

    @classmethod
    def read(cls, text: str, where: str) -> Self:
        """Read what another process has written.

        Raises:
            RecordError: it is no carried error.
        """
        return parse_document(cls, parse_json(text, where), where)

    def text(self) -> str:
        """Return it as one line of ASCII, which every pipe and locale carries."""
        return json.dumps(self.model_dump(mode="json"))

    def kind(self) -> type[HarnessError] | None:
        """Return the harness's class of this name; None for an error that nobody foresaw."""
        known = getattr(errors, self.name, None)
        return known if isinstance(known, type) and issubclass(known, HarnessError) else None


def _clean(text: str) -> str:
    # The name of a file may hold half a character, which no document carries.
    return text.encode(errors="backslashreplace").decode()
