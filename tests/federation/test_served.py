"""What the process that runs a federation says on stderr, it says unless the run is to be quiet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.federation import served
from harness.federation.options import Options
from harness.progress import say


@pytest.mark.parametrize(("quiet", "shown"), [(True, ""), (False, "a client failed\n")])
def test_a_quiet_run_is_quiet_where_its_federation_is(
    quiet: bool,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def speaks(order: Any, origin: str | None) -> Any:
        say("a client failed")
        raise KeyboardInterrupt

    monkeypatch.setattr(served, "_serve", speaks)
    order: Any = SimpleNamespace(options=Options(quiet=quiet))
    with pytest.raises(KeyboardInterrupt):
        served.serve(order, None)
    assert capsys.readouterr().err == shown
    say("said again")
    assert capsys.readouterr().err == "said again\n"
