"""`docs/components.md`, rendered from the components themselves.

python -m harness_standard.documentation docs/components.md           write it
python -m harness_standard.documentation docs/components.md --check   exit 1 when it is stale
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness_standard.documentation.matrix import matrix, reasons
from harness_standard.documentation.parameters import parameters
from harness_standard.documentation.tables import methods, strategies
from harness_standard.documentation.texts import (
    AFTER_METHODS,
    AFTER_STRATEGIES,
    INTRODUCTION,
    NOT_OFFERED,
)
from harness_standard.peft_methods import PEFT_METHODS
from harness_standard.strategies import STRATEGIES


def render() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION, "\n## PEFT methods\n\n", methods(), AFTER_METHODS]
    parts += ["\n### Parameters\n", parameters(PEFT_METHODS)]
    parts += ["\n## Strategies\n\n", strategies(), AFTER_STRATEGIES]
    parts += ["\n### Parameters\n", parameters(STRATEGIES)]
    parts += ["\n## Which strategy with which PEFT method\n\n", matrix(), reasons(), NOT_OFFERED]
    return "".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description="Render docs/components.md.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when stale")
    options = parser.parse_args(arguments)
    text = render()
    if not options.check:
        options.path.write_text(text, encoding="utf-8")
        return 0
    if not options.path.is_file() or options.path.read_text(encoding="utf-8") != text:
        print(
            f"{options.path} is stale; run python -m harness_standard.documentation",
            file=sys.stderr,
        )
        return 1
    return 0
