"""What a child writes of its federation is derived again where no plugin is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from served import serve
from tiny_run import TinyRun

from harness.errors import FederationError
from harness.federation.checked import check_adapter, check_rounds, expected_roster
from harness.federation.options import Options
from harness.record.federation import RoundRecord


def forged(rounds: tuple[RoundRecord, ...], **values: Any) -> list[RoundRecord]:
    return [rounds[0], rounds[1].with_values(**values), *rounds[2:]]


def test_an_honest_run_passes_and_each_forged_value_is_named(
    small: TinyRun, tmp_path: Path
) -> None:
    done = serve(small, tmp_path).outcome
    rounds, second = done.rounds, done.rounds[1]
    assert done.roster_sha256 == expected_roster(small.challenge)
    check_rounds(small.job, Options(), rounds)
    check_rounds(small.job, Options(until=2), rounds[:2])
    check_adapter(small.job, tmp_path, rounds)
    clients = second.clients
    heavier = (clients[0].with_values(examples=clients[0].examples + 1), *clients[1:])
    cases = {
        "partitions": {"partitions": tuple(reversed(second.partitions))},
        "clients": {"clients": tuple(reversed(clients))},
        "learning rate": {"learning_rate": second.learning_rate * 1.001},
        "bytes up": {"bytes_up": second.bytes_up - 1},
        "training loss": {"clients": heavier},
    }
    for name, values in cases.items():
        with pytest.raises(FederationError, match=rf"^{name} of round 2 is"):
            check_rounds(small.job, Options(), forged(rounds, **values))
    near = {"train_loss": second.train_loss * (1 + 1e-10)}
    check_rounds(small.job, Options(), forged(rounds, **near))
    with pytest.raises(FederationError, match=r"^training loss of round 2 is"):
        check_rounds(
            small.job, Options(), forged(rounds, train_loss=second.train_loss * (1 + 1e-8))
        )
    with pytest.raises(FederationError, match=r"^rounds is 2 where 3 follows"):
        check_rounds(small.job, Options(), rounds[:2])
    limit = small.challenge.communication.limit_bytes
    with pytest.raises(FederationError, match=r"^bytes is"):
        check_rounds(small.job, Options(), forged(rounds, bytes_down=limit))
    with pytest.raises(FederationError, match=r"^digest of the adapter's tensors is"):
        check_adapter(small.job, tmp_path, forged(rounds)[:2])
    config = tmp_path / "adapter" / "adapter_config.json"
    true = json.loads(config.read_text())
    for wrong in ({**true, "lora_alpha": 99}, {**true, "rank_pattern": {"q_proj": 64}}, []):
        config.write_text(json.dumps(wrong))
        with pytest.raises(FederationError, match=r"adapter_config\.json is .* follows"):
            check_adapter(small.job, tmp_path, rounds)
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"none")
    with pytest.raises(FederationError, match="no readable adapter"):
        check_adapter(small.job, tmp_path, rounds)
