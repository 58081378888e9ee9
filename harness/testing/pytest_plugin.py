"""The pytest plugin: a fixture, and nothing that costs anything until it is used."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def check_plugin() -> Callable[[str], None]:
    """Return the function that checks an installed plugin by its entry point name."""
    from harness.testing.check import check_plugin as check

    return check
