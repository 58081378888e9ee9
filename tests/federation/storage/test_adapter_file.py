"""The server's own files of an adapter: equal arrays, equal bytes; grown ranks keep their scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from served import serve
from tiny_run import TinyRun

from harness.document import sha256_file
from harness.errors import PluginError, RecordError
from harness.federation.storage import checkpoint
from harness.federation.storage.adapter_file import write_adapter
from harness.record.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS

CONFIG = json.dumps({"lora_alpha": 16, "peft_type": "LORA", "r": 8})
A, B = "layer.lora_A.weight", "layer.lora_B.weight"
INITIAL = {A: (8, 6), B: (5, 8)}


def arrays(rank: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(rank)
    return {
        A: draw.standard_normal((rank, 6)).astype(np.float32),
        B: draw.standard_normal((5, rank)).astype(np.float32),
    }


@pytest.mark.parametrize(("rank", "alpha"), [(8, 16), (24, 48), (40, 80)])
def test_the_scale_of_grown_ranks_stays(rank: int, alpha: int, tmp_path: Path) -> None:
    write_adapter(tmp_path, arrays(rank), CONFIG, INITIAL)
    config = json.loads((tmp_path / ADAPTER_CONFIG).read_text())
    assert config == {"lora_alpha": alpha, "peft_type": "LORA", "r": rank}


def test_layers_that_grow_apart_are_refused(tmp_path: Path) -> None:
    other = {"other.lora_A.weight": np.zeros((16, 6), np.float32)}
    shapes = INITIAL | {"other.lora_A.weight": (8, 6)}
    with pytest.raises(PluginError, match=r"by the factors \[1, 2\]"):
        write_adapter(tmp_path, arrays(8) | other, CONFIG, shapes)


def test_an_order_of_tensors_or_an_older_file_changes_no_byte(tmp_path: Path) -> None:
    found = arrays(8)
    write_adapter(tmp_path / "a", found, CONFIG, INITIAL)
    write_adapter(tmp_path / "b", arrays(24), CONFIG, INITIAL)
    write_adapter(tmp_path / "b", dict(reversed(found.items())), CONFIG, INITIAL)
    for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG):
        assert sha256_file(tmp_path / "a" / name) == sha256_file(tmp_path / "b" / name)


def test_no_client_is_asked_at_the_end(small: TinyRun, tmp_path: Path) -> None:
    served = serve(small, tmp_path / "run")
    kinds = [message.metadata.message_type for message in served.grid.sent]
    assert kinds == ["query"] * 4 + ["query.initial"] + ["train"] * 6
    assert (tmp_path / "run" / "adapter" / ADAPTER_CONFIG).is_file()


def test_a_checkpoint_of_another_version_is_refused_and_not_passed_over(
    small: TinyRun, tmp_path: Path
) -> None:
    for version in (1, checkpoint.CHECKPOINT_VERSION + 1):
        folder = tmp_path / str(version)
        serve(small, folder, until=1)
        rewrite(folder, version)
        with pytest.raises(RecordError, match=rf"checkpoint of version {version}.*begin it again"):
            serve(small, folder)


def rewrite(folder: Path, version: int) -> None:
    """Write every checkpoint again as of `version`."""
    from safetensors.numpy import load_file, save_file

    for number in checkpoint.rounds_on_disk(folder):
        path = checkpoint.path_of(folder, number)
        data = path.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        meta = json.loads(header["__metadata__"]["harness"]) | {"version": version}
        save_file(load_file(path), path, {"harness": json.dumps(meta)})
