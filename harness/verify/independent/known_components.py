"""Components of the plugin `standard`, with the types of their parameters.

Written beside the plugin and not from its code, so that a record can be checked where the plugin is
not installed; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

Params = dict[str, type]
"""Parameter -> its type in JSON."""

_LORA: Params = {"target_modules": list, "r": int, "alpha": int, "dropout": float}
_RANK: Params = {"target_modules": list, "r": int, "alpha": int}
_ADAPTIVE: Params = {"eta": float, "beta_1": float, "beta_2": float, "tau": float}
_PRIVATE: Params = {"noise_multiplier": float, "clipping_norm": float}

PEFT_METHODS: dict[str, Params] = {
    "lora": _LORA, "dora": _LORA, "rslora": _LORA, "ffa-lora": _LORA, "pissa": _LORA,
    "olora": _LORA, "loha": _RANK, "lokr": _RANK,
    "vera": {"target_modules": list, "r": int, "d_initial": float, "dropout": float,
             "projection_key": int},
    "ia3": {"target_modules": list, "feedforward_modules": list},
    "adalora": {"target_modules": list, "init_r": int, "target_r": int, "alpha": int,
                "dropout": float, "total_steps": int},
}  # fmt: skip

STRATEGIES: dict[str, Params] = {
    "fedavg": {}, "fedmedian": {}, "flexlora": {}, "flora": {}, "ffa-lora": {}, "rolora": {},
    "fedsa-lora": {}, "fedprox": {"mu": float}, "scaffold": {"server_learning_rate": float},
    "fedavgm": {"server_learning_rate": float, "server_momentum": float},
    "fedadam": _ADAPTIVE, "fedyogi": _ADAPTIVE, "fedadagrad": {"eta": float, "tau": float},
    "qfedavg": {"q": float, "client_learning_rate": float}, "fedtrimmedavg": {"beta": float},
    "krum": {"num_malicious_nodes": int},
    "multikrum": {"num_malicious_nodes": int, "num_nodes_to_select": int},
    "dp-server-side": _PRIVATE, "dp-client-side": _PRIVATE,
}  # fmt: skip

KNOWN: dict[str, dict[str, dict[str, Params]]] = {
    "standard": {"peft": PEFT_METHODS, "strategy": STRATEGIES}
}
"""Plugin -> kind of component, as a spec calls it -> name -> parameters."""


def fault_of_params(params: dict[str, Any], known: Params) -> str | None:
    """Say which parameter of a component is missing, unknown or of another type, or None."""
    if params.keys() != known.keys():
        return f"{', '.join(sorted(params)) or 'none'}; expected {', '.join(known) or 'none'}"
    for name, kind in known.items():
        value = params[name]
        texts = type(value) is not list or all(type(item) is str for item in value)
        if type(value) is not kind or not texts:
            return f"{name} {value!r:.60}; expected {TYPES[kind]}"
    return None


TYPES = {int: "a whole number", float: "a number with a point", list: "a list of names"}
"""Type -> how a message calls it."""
