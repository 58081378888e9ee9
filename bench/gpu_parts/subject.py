"""What is measured: a model of random weights, real rows, and trainers for them."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from harness.boards.registry import protocol_of
from harness.components import ModelSpec
from harness.planning.resolve import Request, resolve
from harness.plugins import find_peft_method
from harness.record.data import DataRecord
from harness.sources.assets import Assets
from harness.sources.evaluation_sets import locate_evaluation_set
from harness.training.rows.examples import Example, tokenise
from harness.training.trainer import Trainer

SMALL = {"layers": 3, "hidden": 64, "intermediate": 160, "heads": 4, "kv_heads": 2}
ROWS = 2000
"""Training rows that are tokenised."""


class Subject:
    """The model, its rows, and what they are measured on."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the command line's options."""
        self.options = options
        self.small = options.rehearse
        self.device = "cpu" if self.small else "cuda"
        self.batch = 4 if self.small else 16
        self._made = None if options.work else tempfile.mkdtemp(prefix="gpu-bench-")
        self.work = Path(options.work or self._made)
        self.resolved = self._resolve("dora", 0.075)
        self.model_spec: ModelSpec = self.resolved.spec.model
        if self.small:
            size = {"vocab": 49152 if options.tokenizer else 512}
            self.model_spec = self.model_spec.with_values(**SMALL, **size)

    def _resolve(self, method: str, dropout: float) -> Any:
        sets = (f"batch_size={self.batch}", "max_steps=8", "peft.r=32", "peft.alpha=64")
        sets += (f"peft.dropout={dropout}", "optimizer=adamw_torch")
        return resolve(Request("smollm2-dora/1.7b", overrides=sets, device="cpu", threads=1))

    def ending_answers(self) -> dict[str, Any]:
        """Return fields of a TrainSpec by which a model learns a label and then to stop."""
        train = resolve(Request("smollm2-dora/135m", device="cpu", threads=1)).spec.train
        return {"prompt": train.prompt, "data": train.data}

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._made:
            shutil.rmtree(self._made, ignore_errors=True)

    @cached_property
    def model_dir(self) -> Path:
        """The folder of the model, made at first use."""
        folder = self.work / "model"
        if (folder / "model.safetensors").is_file():
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        self._tokenizer(folder)
        from transformers import LlamaConfig, LlamaForCausalLM

        model = self.model_spec
        config = LlamaConfig(
            vocab_size=model.vocab,
            hidden_size=model.hidden,
            intermediate_size=model.intermediate,
            num_hidden_layers=model.layers,
            num_attention_heads=model.heads,
            num_key_value_heads=model.kv_heads,
            tie_word_embeddings=True,
            max_position_embeddings=8192,
            rope_theta=130000.0,
            bos_token_id=1,
            eos_token_id=2,
        )
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        try:
            with torch.device(self.device):
                LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="20GB")
        finally:
            torch.set_default_dtype(torch.float32)
        return folder

    def _tokenizer(self, folder: Path) -> None:
        if self.options.tokenizer:
            for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
                if (self.options.tokenizer / name).is_file():
                    shutil.copy(self.options.tokenizer / name, folder / name)
            return
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast

        texts = [f"{r['instruction']} {r['input']}" for r in self._smoke_rows]
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        end = "<|endoftext|>"
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=512, special_tokens=["<unk>", "<s>", end], initial_alphabet=alphabet,
            show_progress=False,
        )  # fmt: skip
        made.train_from_iterator(texts[:200], trainer)
        PreTrainedTokenizerFast(
            tokenizer_object=made, eos_token=end, pad_token=end
        ).save_pretrained(folder)

    @cached_property
    def _smoke_rows(self) -> list[dict[str, str]]:
        return list(protocol_of(self.resolved.challenge).smoke_training())

    @cached_property
    def training_rows(self) -> list[dict[str, str]]:
        """Rows of the board's training set, else of the smoke corpus."""
        dataset = self.resolved.challenge.dataset
        if self.options.mirror is None:
            return self._smoke_rows
        import pyarrow.parquet

        folder = self.options.mirror / "datasets" / dataset.name
        file = next(iter(sorted(folder.glob("*.parquet"))))
        table = pyarrow.parquet.read_table(file, columns=list(dataset.columns))
        # Every k-th, so that all four sources of the set are among them.
        step = max(1, len(table) // ROWS)
        return table.take(list(range(0, len(table), step))).to_pylist()[:ROWS]

    def trainer(self, method: str = "dora", dropout: float = 0.075, **train: Any) -> Trainer:
        """Return a trainer with the rows as its partitions 0 to 3.

        Args:
            method: "dora" or "lora", r=32 on the MLP.
            dropout: its rate.
            train: fields of the recipe's TrainSpec to change.
        """
        resolved = self._resolve(method, dropout)
        found = find_peft_method(f"standard/{method}", "standard").value
        spec = resolved.spec
        peft = {"name": f"standard/{method}", "params": dict(spec.peft.params)}
        compute = {"device": self.device, "threads": 1 if self.small else 8}
        spec = spec.with_values(
            peft=peft, model=self.model_spec, compute=compute,
            train=spec.train.with_values(**train),
        )  # fmt: skip
        assets = self.assets()
        trainer = Trainer(
            spec, resolved.challenge, assets, found, found.params.model_validate(spec.peft.params)
        )
        for partition in range(4):
            rows = self.training_rows[partition::4]
            examples = tokenise(rows, spec.train, trainer.tokenizer, 0)
            trainer.rows.put(partition, examples, len(rows))
        return trainer

    def assets(self) -> Assets:
        """Return the assets: the model alone."""
        data = DataRecord(
            name="random", kind="model", source="synthetic", revision="0", sha256="0" * 64
        )
        return Assets(
            model_dir=str(self.model_dir), training_file=None, evaluation_files={}, data=(data,)
        )

    def batches(self, trainer: Trainer, count: int) -> list[list[Example]]:
        """Return `count` batches of a trainer's partition 0."""
        examples = trainer.rows.examples(0)
        size = self.batch
        return [
            [examples[(i * size + k) % len(examples)] for k in range(size)] for i in range(count)
        ]

    def questions(self) -> dict[str, Any]:
        """Return task -> the official rows, or those of the smoke corpus."""
        challenge = self.resolved.challenge
        protocol = protocol_of(challenge)
        if self.options.mirror is None:
            return {item.task: protocol.smoke_rows(item.task) for item in challenge.evaluation}
        found = {}
        for item in challenge.evaluation:
            paths, _ = locate_evaluation_set(challenge, item.task, self.options.mirror)
            found[item.task] = protocol.rows(item.task, list(paths))
        return found

    def save_adapter(self, trainer: Trainer, folder: Path, arrays: Any) -> Path:
        """Write an adapter as peft does; return its folder."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
        save_file(tensors, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(json.loads(trainer.peft_config())))
        return folder
