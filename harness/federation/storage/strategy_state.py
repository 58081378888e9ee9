"""The state of a strategy (momentum and the like), as tensors and plain values, without pickle.

A strategy keeps state in its attributes. What is captured: None, booleans, numbers, text, bytes,
numpy arrays and scalars, numpy and `random` generators, Flower's records, nested strategies, and
lists, tuples, sets and dicts of these. Functions, classes, modules and documents are configuration:
a fresh strategy brings them again. Anything else is refused by name, because a resumed run would
lose it.

`STATE_KINDS` is the whole format: what a value is called in the checkpoint, how it gets there and
how it comes back. A momentum of two numbers, `strategy.m = {"w": np.zeros(2)}`, is kept as
`{"m": {"dict": [["w", {"array": "00000"}]]}}` and the tensor `00000`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp.strategy import Strategy

from harness.document import Document
from harness.errors import PluginError, RecordError
from harness.plugins import places
from harness.plugins.guard import calling_plugin

CONFIGURATION = (
    FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, Document,
)  # fmt: skip


def capture(strategy: Strategy) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the state of a strategy as (JSON value, tensors that it refers to).

    Raises:
        PluginError: an attribute holds something that cannot be kept; it is named.
    """
    writer, name = StateWriter({}), type(strategy).__name__
    with calling_plugin(f"strategy {name}: its state"):
        return writer.attributes(strategy, name), writer.tensors


def restore(strategy: Strategy, state: Any, tensors: Mapping[str, np.ndarray]) -> None:
    """Put a captured state into a freshly built strategy of the same kind.

    Raises:
        RecordError: the state is of another class of strategy.
        PluginError: the strategy refuses it.
    """
    with calling_plugin(f"strategy {type(strategy).__name__}: its state"):
        StateReader(tensors).attributes(strategy, state)


@dataclass(frozen=True, slots=True)
class StateWriter:
    """One capture: makes JSON of values and puts their tensors aside."""

    tensors: dict[str, np.ndarray]

    def attributes(self, owner: Any, where: str) -> dict[str, Any]:
        """Return what `owner` holds that is not configuration."""
        values = {
            name: self._attribute(owner, name, where)
            for name, value in sorted(vars(owner).items())
            if not _is_configuration(value)
        }
        return {"class": type(owner).__qualname__, "attributes": values}

    def _attribute(self, owner: Any, name: str, where: str) -> Any:
        try:
            return self.value(vars(owner)[name], f"{where}.{name}")
        except PluginError as error:
            place = places.of_attribute(type(owner), name)
            raise PluginError(f"{error}{f' ({place})' if place else ''}") from error

    def value(self, value: Any, where: str) -> Any:
        """Return the JSON of one value, which `where` names in messages.

        Raises:
            PluginError: it is of a kind that cannot be kept.
        """
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        for kind in STATE_KINDS:
            if kind.takes(value):
                return {kind.tag: kind.encode(value, where, self)}
        raise PluginError(
            f"strategy attribute {where} holds a {type(value).__module__}."
            f"{type(value).__qualname__}, which a checkpoint cannot keep; hold numbers, numpy"
            " arrays, lists or dicts instead"
        )

    def tensor(self, array: np.ndarray, where: str) -> str:
        """Put an array aside and return the name that it has among the tensors.

        Raises:
            PluginError: it holds Python objects.
        """
        if array.dtype == object:
            raise PluginError(f"{where} is an array of objects; keep numbers, or it is lost")
        key = f"{len(self.tensors):05}"
        self.tensors[key] = np.array(array, order="C")
        return key

    def pairs(self, items: Mapping[Any, Any], where: str) -> list[list[Any]]:
        """Return the items of a mapping with text as keys, in their order."""
        return [[key, self.value(item, f"{where}[{key!r}]")] for key, item in items.items()]


@dataclass(frozen=True, slots=True)
class StateReader:
    """One restoration: makes values of JSON and of the tensors that it refers to."""

    tensors: Mapping[str, np.ndarray]

    def attributes(self, owner: Any, state: Any) -> None:
        """Set what `owner` held.

        Raises:
            RecordError: the state is of another class.
        """
        expected = type(owner).__qualname__
        if state["class"] != expected:
            raise RecordError(
                f"checkpoint holds the state of a {state['class']}; the strategy is a {expected}"
            )
        for name, value in state["attributes"].items():
            setattr(owner, name, self.value(value, getattr(owner, name, None)))

    def value(self, value: Any, current: Any = None) -> Any:
        """Return one value; `current` is what the fresh strategy has in its place."""
        if not isinstance(value, dict):
            return value
        [(tag, body)] = value.items()
        return BY_TAG[tag].decode(body, current, self)

    def items(self, pairs: list[list[Any]]) -> dict[str, Any]:
        """Return the items of a mapping with text as keys."""
        return {key: self.value(item) for key, item in pairs}

    def generator(self, body: Any) -> np.random.Generator:
        """Return a numpy generator that goes on from a state."""
        state = self.value(body)
        generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
        generator.bit_generator.state = state
        return generator

    def random(self, body: Any) -> random.Random:
        """Return a generator of `random` that goes on from a state."""
        source = random.Random()
        source.setstate(self.value(body))
        return source

    def strategy(self, body: Any, current: Any) -> Any:
        """Return the nested strategy that the fresh one has built, with its state."""
        self.attributes(current, body)
        return current


@dataclass(frozen=True, slots=True)
class StateKind:
    """One kind of value: `{tag: body}` in the checkpoint."""

    tag: str
    takes: Callable[[Any], bool]
    encode: Callable[[Any, str, StateWriter], Any]
    """(value, where it is, writer) -> body."""
    decode: Callable[[Any, Any, StateReader], Any]
    """(body, what the fresh strategy has there, reader) -> value."""


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _exactly(wanted: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is wanted


def _series(wanted: type) -> StateKind:
    """Return the kind of a list, tuple or set; a set is kept sorted, to be the same every time."""

    def encode(value: Any, where: str, out: StateWriter) -> list[Any]:
        entries = sorted(value) if wanted is set else value
        return [out.value(item, f"{where}[{i}]") for i, item in enumerate(entries)]

    return StateKind(
        wanted.__name__,
        _exactly(wanted),
        encode,
        lambda body, _, back: wanted(back.value(item) for item in body),
    )


STATE_KINDS = (
    # numpy's float64 is a float too, and has to come back as itself: exactly a float, then.
    StateKind("float", _exactly(float),
         lambda value, where, out: value.hex(),
         lambda body, _, back: float.fromhex(body)),
    StateKind("scalar", _is(np.generic),
         lambda value, where, out: out.tensor(np.asarray(value), where),
         lambda body, _, back: back.tensors[body][()]),
    StateKind("array", _is(np.ndarray),
         lambda value, where, out: out.tensor(value, where),
         lambda body, _, back: np.array(back.tensors[body])),
    StateKind("bytes", _is(bytes),
         lambda value, where, out: value.hex(),
         lambda body, _, back: bytes.fromhex(body)),
    StateKind("arrays", _is(ArrayRecord),
         lambda value, where, out: [
             [name, out.tensor(array.numpy(), where)] for name, array in value.items()
         ],
         lambda body, _, back: ArrayRecord(
             {name: Array(np.array(back.tensors[key])) for name, key in body}
         )),
    StateKind("metrics", _is(MetricRecord),
         lambda value, where, out: out.pairs(value, where),
         lambda body, _, back: MetricRecord(back.items(body))),
    StateKind("config", _is(ConfigRecord),
         lambda value, where, out: out.pairs(value, where),
         lambda body, _, back: ConfigRecord(back.items(body))),
    StateKind("generator", _is(np.random.Generator),
         lambda value, where, out: out.value(value.bit_generator.state, where),
         lambda body, _, back: back.generator(body)),
    StateKind("random", _is(random.Random),
         lambda value, where, out: out.value(value.getstate(), where),
         lambda body, _, back: back.random(body)),
    StateKind("strategy", _is(Strategy),
         lambda value, where, out: out.attributes(value, where),
         lambda body, current, back: back.strategy(body, current)),
    _series(list), _series(tuple), _series(set),
    StateKind("dict", _is(dict),
         lambda value, where, out: [
             [out.value(key, where), out.value(item, f"{where}[{key!r}]")]
             for key, item in value.items()
         ],
         lambda body, _, back: {back.value(key): back.value(item) for key, item in body}),
)  # fmt: skip
"""Every kind of value that is kept, beside None, booleans, text and whole numbers."""

BY_TAG = {kind.tag: kind for kind in STATE_KINDS}


def _is_configuration(value: Any) -> bool:
    if isinstance(value, CONFIGURATION):
        return True
    return isinstance(value, np.ufunc) or type(value).__module__ in ("functools", "logging")
