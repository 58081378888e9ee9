"""The state of a strategy (momentum and the like), as tensors and plain values, without pickle.

A strategy keeps state in its attributes. What is captured: None, booleans, numbers, text, bytes,
numpy arrays and scalars, numpy and `random` generators, Flower's records, nested strategies, and
lists, tuples, sets and dicts of these. Functions, classes, modules and documents are configuration:
a fresh strategy brings them again. Anything else is refused by name, because a resumed run would
lose it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp.strategy import Strategy

from harness.document import Document
from harness.errors import PluginError, RecordError

CONFIGURATION = (
    FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, Document,
)  # fmt: skip


def capture(strategy: Strategy) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the state of a strategy as (JSON value, tensors that it refers to).

    Raises:
        PluginError: an attribute holds something that cannot be kept; it is named.
    """
    tensors: dict[str, np.ndarray] = {}
    return _capture_object(strategy, type(strategy).__name__, tensors), tensors


def restore(strategy: Strategy, state: Any, tensors: Mapping[str, np.ndarray]) -> None:
    """Put a captured state into a freshly built strategy of the same kind.

    Raises:
        RecordError: the state is of another class of strategy.
    """
    _restore_object(strategy, state, tensors)


def _capture_object(owner: Any, where: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    values = {
        name: _capture(value, f"{where}.{name}", tensors)
        for name, value in sorted(vars(owner).items())
        if not _is_configuration(value)
    }
    return {"class": type(owner).__qualname__, "attributes": values}


def _is_configuration(value: Any) -> bool:
    if isinstance(value, CONFIGURATION):
        return True
    return isinstance(value, np.ufunc) or type(value).__module__ in ("functools", "logging")


def _capture(value: Any, where: str, tensors: dict[str, np.ndarray]) -> Any:
    def keep(array: np.ndarray) -> str:
        if array.dtype == object:
            raise PluginError(f"{where} is an array of objects; keep numbers, or it is lost")
        key = f"{len(tensors):05}"
        tensors[key] = np.array(array, order="C")
        return key

    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float:
        return {"float": value.hex()}
    if isinstance(value, np.generic):
        return {"scalar": keep(np.asarray(value))}
    if isinstance(value, np.ndarray):
        return {"array": keep(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, ArrayRecord):
        return {"arrays": [[name, keep(array.numpy())] for name, array in value.items()]}
    if isinstance(value, MetricRecord | ConfigRecord):
        items = [[key, _capture(item, f"{where}[{key!r}]", tensors)] for key, item in value.items()]
        return {"metrics" if isinstance(value, MetricRecord) else "config": items}
    if isinstance(value, np.random.Generator):
        return {"generator": _capture(value.bit_generator.state, where, tensors)}
    if isinstance(value, random.Random):
        return {"random": _capture(value.getstate(), where, tensors)}
    if isinstance(value, Strategy):
        return {"strategy": _capture_object(value, where, tensors)}
    if type(value) in (list, tuple, set):
        entries = sorted(value) if isinstance(value, set) else value
        kept = [_capture(item, f"{where}[{i}]", tensors) for i, item in enumerate(entries)]
        return {type(value).__name__: kept}
    if isinstance(value, dict):
        pairs = [
            [_capture(key, where, tensors), _capture(item, f"{where}[{key!r}]", tensors)]
            for key, item in value.items()
        ]
        return {"dict": pairs}
    raise PluginError(
        f"strategy attribute {where} holds a {type(value).__module__}.{type(value).__qualname__},"
        " which a checkpoint cannot keep; hold numbers, numpy arrays, lists or dicts instead"
    )


def _restore_object(owner: Any, state: Any, tensors: Mapping[str, np.ndarray]) -> None:
    expected = type(owner).__qualname__
    if state["class"] != expected:
        raise RecordError(
            f"checkpoint holds the state of a {state['class']}; the strategy is a {expected}"
        )
    for name, value in state["attributes"].items():
        setattr(owner, name, _restore(value, getattr(owner, name, None), tensors))


def _restore(value: Any, current: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, body)] = value.items()
    if kind == "float":
        return float.fromhex(body)
    if kind == "scalar":
        return tensors[body][()]
    if kind == "array":
        return np.array(tensors[body])
    if kind == "bytes":
        return bytes.fromhex(body)
    if kind == "arrays":
        return ArrayRecord({name: Array(np.array(tensors[key])) for name, key in body})
    if kind in ("metrics", "config"):
        items = {key: _restore(item, None, tensors) for key, item in body}
        return MetricRecord(items) if kind == "metrics" else ConfigRecord(items)
    if kind == "generator":
        state = _restore(body, None, tensors)
        generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
        generator.bit_generator.state = state
        return generator
    if kind == "random":
        source = random.Random()
        source.setstate(_restore(body, None, tensors))
        return source
    if kind == "strategy":
        _restore_object(current, body, tensors)
        return current
    if kind == "dict":
        return {_restore(k, None, tensors): _restore(v, None, tensors) for k, v in body}
    build = {"list": list, "tuple": tuple, "set": set}[kind]
    return build(_restore(item, None, tensors) for item in body)
