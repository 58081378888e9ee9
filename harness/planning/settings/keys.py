"""The keys of `--set`: where in a recipe each one points, and which ones nobody may set.

`rounds` or `train.rounds`, `prompt.template`, `peft.r`, `strategy.<param>`, `model.quantization`;
`model`, `peft` and `strategy` alone are a component's name. Keys of the challenge are recognised in
any spelling (`NUM_SUPERNODES`, `options.num-supernodes`, `static.dataset.name`).
"""

from __future__ import annotations

from harness.boards.template_keys import TEMPLATE_KEYS
from harness.codec.choice import Codec
from harness.document import Document
from harness.errors import UsageError, did_you_mean
from harness.recipe import DataSpec, Extensions, Prompt, TrainSpec

STATIC_KEYS = {
    "numsupernodes": "num_supernodes",
    "supernodes": "num_supernodes",
    "numpartitions": "num_supernodes",
    "minclients": "min_clients",
    "dataset": "dataset.name",
    "datasetname": "dataset.name",
    "dataname": "dataset.name",
    "static": "dataset.name",
    "partitioner": "partitioner",
    "communication": "communication.limit_mib",
    "limitmib": "communication.limit_mib",
    "protocol": "protocol",
    "evaluation": "evaluation",
    "challenge": "id",
}
"""A key or a part of one, in lower case without `_`, `-` and `.` -> the challenge's value that it
would change."""

OPEN_KEYS = ("num_supernodes", "partitioner", "dataset.name")
"""The challenge's values that a run of the open division may change."""

OWN_OPTIONS = {
    "seed": "--seed",
    "device": "--device",
    "threads": "--threads",
    "smoke": "--smoke",
    "limit": "--limit",
    "division": "--division",
    "evaluationrows": "--limit",
    "actors": "--actors",
    "plugin": "--plugin",
    "recipe": "--plugin PLUGIN/RECIPE",
}
"""What has an option of its own, spelt as above -> the option."""

SHORT = {
    "lr": "learning_rate_max",
    "learning_rate": "learning_rate_max",
    "r": "peft.r",
    "rank": "peft.r",
    "lora_r": "peft.r",
    "lora_rank": "peft.r",
    "lora.r": "peft.r",
    "alpha": "peft.alpha",
    "lora_alpha": "peft.alpha",
    "lora.alpha": "peft.alpha",
    "dropout": "peft.dropout",
    "lora_dropout": "peft.dropout",
    "target_modules": "peft.target_modules",
    "lora_target_modules": "peft.target_modules",
    "batch": "batch_size",
    "bs": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "grad_accum": "gradient_accumulation_steps",
    "steps": "max_steps",
    "local_steps": "max_steps",
    "num_rounds": "rounds",
    "fraction_fit": "fraction",
    "fraction_train": "fraction",
    "max_length": "seq_length",
    "max_seq_length": "seq_length",
    "optim": "optimizer",
    "quantization": "model.quantization",
    "dtype": "model.dtype",
    "append_eos": "prompt.append_eos",
    "system_prompt": "prompt.system",
    "enable_thinking": "prompt.template_arguments.enable_thinking",
    "codec": "codec.name",
}
"""Short names that people type, and other libraries' names -> the setting's own."""

_RENAMED = {
    "model": "model",
    "quantization": "model.quantization",
    "rank": "peft.r",
    "alpha": "peft.alpha",
    "targets": "peft.target_modules",
}
TEMPLATE = {
    key.replace("-", "_"): _RENAMED.get(setting, setting)
    for setting, keys in TEMPLATE_KEYS.items()
    for key in keys
    if (setting in _RENAMED or setting in TrainSpec.model_fields)
    and key.partition(".")[0] not in ("strategy", "peft")
}
"""Keys of a FlowerTune project's run config, `-` as `_` -> the setting's own; not those that begin
as the parameters of a component do."""

EPOCHS = "a client trains a number of optimizer steps in each round; set max_steps"
SCHEDULES = "set round_schedule, over the rounds, or step_schedule, within one"
METHOD = "LoRA and DoRA are PEFT methods; set peft=standard/dora"
NO_SETTING = {
    "epochs": EPOCHS,
    "num_epochs": EPOCHS,
    "local_epochs": EPOCHS,
    "num_train_epochs": EPOCHS,
    "scheduler": SCHEDULES,
    "lr_scheduler": SCHEDULES,
    "lr_scheduler_type": SCHEDULES,
    "warmup_ratio": "set warmup_steps, the first steps of each round",
    "use_dora": METHOD,
    "model.lora.peft_use_dora": METHOD,
}
"""Names that people type for what there is not -> what there is."""

FREE_MODEL_FIELDS = ("quantization", "dtype", "revision", "trust_remote_code")

PARTS: dict[str, type[Document]] = {"prompt": Prompt, "data": DataSpec, "codec": Codec}
"""Documents inside `train`; their fields go by `prompt.template` as well."""

ARGUMENTS = "prompt.template_arguments."
"""What the keys of a chat template's arguments begin with; what follows is the template's."""

COMPONENTS = ("peft", "strategy")
"""Parts of a recipe whose parameters are the component's own, whatever they are called."""


def static_value(key: str) -> str | None:
    """Return the challenge's fixed value that `key` aims at, or None."""
    parts = key.split(".")
    if parts[0] in (*COMPONENTS, "extensions"):
        return None
    for text in (key, *parts):
        if (bare := _bare(text)) in STATIC_KEYS:
            return STATIC_KEYS[bare]
    return None


def meant_by(key: str) -> str | None:
    """Return the setting that a short name, or a key of the template, is taken for, or None.

    Args:
        key: as it is typed, with `-` as `_`.
    """
    name = key.lower()
    found = SHORT.get(name.removeprefix("train.")) or TEMPLATE.get(name)
    return None if found in (name, name.removeprefix("train.")) else found


def open_path(key: str, aim: str) -> str:
    """Return the path in `OpenRules` that a key sets: `partitioner.alpha`, `num_supernodes`.

    Args:
        key: as typed, `_` for `-`: `supernodes`, `options.num_supernodes`, `partitioner.alpha`.
        aim: the challenge's value that it aims at, of `OPEN_KEYS`.
    """
    if aim != "partitioner":
        return aim.partition(".")[0]
    field = key.lower().rpartition(".")[2]
    return f"partitioner.{'kind' if field == 'partitioner' else field}"


def recipe_path(key: str) -> str:
    """Return the dotted path in a recipe that `key` sets: `train.rounds`, `peft.params.r`.

    The model's own fields, which are no part of a recipe, are `model_fields.dtype` and the like.

    Raises:
        UsageError: there is no such setting.
    """
    group, _, field = key.partition(".")
    if group == "extensions":
        return _extension_path(key, field)
    if group in COMPONENTS:
        field = field.removeprefix("params.")
        return f"{group}.params.{field}" if field not in ("", "name") else f"{group}.name"
    key = key.lower()
    group, _, field = key.partition(".")
    if key in ("model", "model.name"):
        return "model"
    if group == "model" and field in FREE_MODEL_FIELDS:
        return f"model_fields.{field}"
    path = key.removeprefix("train.")
    part, _, inner = path.partition(".")
    if path.startswith(ARGUMENTS):
        return f"train.{path}"
    if path in TrainSpec.model_fields or (part in PARTS and inner in PARTS[part].model_fields):
        return f"train.{path}"
    for text in (key, *key.split(".")):
        if option := OWN_OPTIONS.get(_bare(text)):
            raise UsageError(f"--set {key}: that is an option of its own; use {option}")
    if hint := NO_SETTING.get(key.removeprefix("train.")):
        raise UsageError(f"--set {key[:60]}: no such setting; {hint}")
    known = [*TrainSpec.model_fields, "model", *(f"model.{item}" for item in FREE_MODEL_FIELDS)]
    known += [f"{part}.{item}" for part, kind in PARTS.items() for item in kind.model_fields]
    known += ["peft", "peft.*", "strategy", "strategy.*"]
    raise UsageError(f"--set {key[:60]}: no such setting; {did_you_mean(key, known)}")


def _extension_path(key: str, field: str) -> str:
    kind, _, param = field.partition(".")
    if kind not in Extensions.model_fields:
        known = [f"extensions.{name}" for name in Extensions.model_fields]
        raise UsageError(f"--set {key[:60]}: no such setting; {did_you_mean(key, known)}")
    if kind == "warm_start":
        return f"extensions.{field}"
    param = param.removeprefix("params.")
    return (
        f"extensions.{kind}.params.{param}"
        if param not in ("", "name")
        else (f"extensions.{kind}.name")
    )


def _bare(text: str) -> str:
    return text.lower().replace("_", "").replace("-", "").replace(".", "")
