"""Keys and values that grow in place: transformers' own cache copies everything at every token."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from harness.library_internals.transformers import cache_argument

ROOM_TOKENS = 256
"""Tokens by which a full layer grows."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not followed
    """One layer's keys and values, (rows, heads, tokens, head size) each: views of more room."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Any:
        """Append the keys and values of new tokens and return all, as `DynamicLayer` does."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = (key_states[:, :, :0], value_states[:, :, :0])
            self._length = 0
        begin, self._length = self._length, self._length + key_states.shape[-2]
        if self._length > self._room[0].shape[-2]:
            tokens = self._length + ROOM_TOKENS
            keys, values = self._room
            self._room = (_larger(keys, begin, tokens), _larger(values, begin, tokens))
        for room, fresh in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, begin : self._length] = fresh
        self.keys, self.values = (room[:, :, : self._length] for room in self._room)
        return self.keys, self.values


def _larger(room: Tensor, length: int, tokens: int) -> Tensor:
    """Return room for so many tokens, with the first `length` of the old."""
    found = room.new_empty((*room.shape[:2], tokens, room.shape[3]))
    found[:, :, :length] = room[:, :, :length]
    return found


def growing_cache(model: Any) -> dict[str, Cache]:
    """Return the argument by which `generate` takes such a cache; empty where layers are special.

    A model with sliding windows or layers without attention keeps the library's own cache.
    """
    usual = DynamicCache(config=model.config).layers
    if any(type(layer) is not DynamicLayer for layer in usual):
        return {}
    layers = [GrowingLayer() for _ in usual] or [
        GrowingLayer() for _ in range(model.config.num_hidden_layers)
    ]
    return {cache_argument(model): Cache(layers=layers)}
