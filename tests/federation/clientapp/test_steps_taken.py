"""How far a client is is known while it trains, and never more than there is."""

from __future__ import annotations

from pathlib import Path

from harness.federation.clientapp.steps_taken import counted, forget, steps_taken


def test_steps_are_seen_while_they_are_taken_and_a_client_asked_again_begins_anew(
    tmp_path: Path,
) -> None:
    assert steps_taken(tmp_path, 3) == 0
    with counted(tmp_path, 3) as after_step:
        for taken in (1, 2, 3):
            after_step()
            assert steps_taken(tmp_path, 3) == taken
        assert steps_taken(tmp_path, 4) == 0
    with counted(tmp_path, 3) as after_step:
        assert steps_taken(tmp_path, 3) == 0
        after_step()
        assert steps_taken(tmp_path, 3) == 1
    forget(tmp_path, 3)
    forget(tmp_path, 3)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_a_round_goes_on(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "nowhere"):
        with counted(folder, 3) as after_step:
            after_step()
    assert not list(tmp_path.iterdir())
