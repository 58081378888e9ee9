"""Names of the files of a run directory and of a submission, each spelt once."""

RESULT = "result.json"
"""The record of a run, in a run directory and in a submission."""

ADAPTER = "adapter"
"""Folder of the trained adapter, in a run directory and in a submission."""
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
"""The two files of an adapter's folder; peft gives them these names."""
ADAPTER_CONFIG_PATH = f"{ADAPTER}/{ADAPTER_CONFIG}"
ADAPTER_WEIGHTS_PATH = f"{ADAPTER}/{ADAPTER_WEIGHTS}"

ROUNDS = "rounds.jsonl"
"""The ledger of a run: one round a line."""

CARD = "README.md"
ABOUT = "about.json"
"""Who submitted a run and where its parts lie; in a submission only."""
LOSS_PLOT = "loss.png"
LADDER = "ladder.json"

SPEC = "spec.json"
ASSETS = "assets.json"
TIMING = "timing.json"
SCORES = "scores.json"
ISOLATION = "isolation.json"
LOGS = "logs"
COMMAND = "command.json"
ENERGY = "energy.json"
PUBLISHED = "published.json"
"""These nine are in run directories only; `logs` is the folder of Flower's log and of the stacks
of clients that hung, `command.json` is what was typed, `published.json` where
the run lies on the hub."""

CLAIM = "claim.json"
ROW_BITS = "rows.json"
MANIFEST = "manifest.json"
"""These three are under `submissions/` only."""
