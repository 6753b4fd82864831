"""Data as batches: arrays that are cut along the axis of the samples, and streams that come in batches already.

Of a memory-mapped file only the rows of a batch are read, in the order in which they stand in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import numpy as np

from .arguments import Array, Signature, as_array
from .errors import ArgumentError

Batch = tuple[int, list[Array]]
"""The number of samples in a batch, and an array for every symbol of the data."""


class Batches(Protocol):
    """What an epoch is made of."""

    @property
    def total(self) -> int | None:
        """The number of batches of an epoch, where it is known."""

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""

    def typical(self) -> list[Array]:
        """The arrays of a batch, to know their sizes."""


def bound(signature: Signature, given: Any) -> list[Any]:
    """One value for every symbol of the data from a dict by name, a tuple in order, or the only array itself."""
    if isinstance(given, Mapping):
        return signature.values([], given)
    return signature.values(given if isinstance(given, tuple) else [given], {})


def cut_symbols(signature: Signature) -> list[bool]:
    """Which symbols hold samples: those whose first axis has the size of the first axis of the first array."""
    firsts = [x.type.shape[0] if x.type.shape else None for x in signature.symbols]
    samples = next((n for n in firsts if n is not None), None)
    return [n is not None and n == samples for n in firsts]


@dataclass
class Cut:
    """Arrays, cut into batches of `size` samples (None: all of them at once); the last batch may be smaller."""

    signature: Signature
    values: list[Any]
    size: int | None
    order: bool | str = False
    random: np.random.Generator = field(default_factory=np.random.default_rng)

    def __post_init__(self) -> None:
        self.cut = cut_symbols(self.signature)
        kept: list[Any] = []
        for k, value in enumerate(self.values):
            mapped = isinstance(value, np.memmap) and self.cut[k] and self.size is not None
            kept.append(value if mapped else self._array(k, value))
        self.values = kept
        numbers = {len(v): k for k, v in reversed(list(enumerate(kept))) if self.cut[k]}
        if len(numbers) > 1:
            told = ", ".join(f"{self.signature.labels[k]} {n}" for n, k in reversed(numbers.items()))
            raise ArgumentError(f"data: the numbers of samples differ: {told}")
        self.count = next(iter(numbers), 1)
        if self.size is not None and not numbers:
            raise ArgumentError("batch: the data hold no array that could be cut into batches")
        if not self.count:
            raise ArgumentError("data: there are no samples")

    def _array(self, k: int, value: Any) -> Array:
        return as_array(value, self.signature.symbols[k].type, self.signature.labels[k])

    @property
    def total(self) -> int:
        """The number of batches of an epoch."""
        return 1 if self.size is None else -(-self.count // self.size)

    def typical(self) -> list[Array]:
        """The arrays of the first batch in order."""
        return self.values if self.size is None else self._rows(slice(0, min(self.size, self.count)))[1]

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch: of samples drawn without replacement, of neighbours, or in order."""
        size = self.size
        if size is None:
            yield self.count, list(self.values)
        elif self.order is True:
            shuffled = self.random.permutation(self.count)
            for start in range(0, self.count, size):
                yield self._rows(np.sort(shuffled[start : start + size]))
        else:
            starts = np.arange(0, self.count, size)
            for start in self.random.permutation(starts) if self.order else starts:
                yield self._rows(slice(start, min(start + size, self.count)))

    def _rows(self, at: Any) -> Batch:
        found = [self._picked(k, v, at) if self.cut[k] else v for k, v in enumerate(self.values)]
        return (at.stop - at.start if isinstance(at, slice) else len(at)), found

    def _picked(self, k: int, value: Any, at: Any) -> Array:
        return self._array(k, value[at] if isinstance(at, slice) else value.take(at, axis=0))


class Stream:
    """Batches as they come from an iterable, anew for every epoch where it can be read anew: a function is called for
    its iterable, an iterator goes on where it stood until it ends."""

    total: int | None = None

    def __init__(self, source: Iterable[Any] | Callable[[], Iterable[Any]]) -> None:
        self._source = source
        running = self._begun()
        try:
            self.first = next(running)
        except StopIteration:
            raise ArgumentError("data: the iterable gives no batch") from None
        self._running: Iterator[Any] = chain([self.first], running)
        self._fresh = True
        self._signature = Signature(())

    def _begun(self) -> Iterator[Any]:
        return iter(self._source() if callable(self._source) else self._source)

    def bound(self, signature: Signature) -> Stream:
        """This stream, of batches for these symbols."""
        self._signature = signature
        return self

    def typical(self) -> list[Array]:
        """The arrays of the first batch."""
        return self._signature.arrays(bound(self._signature, self.first))

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        if not self._fresh and not isinstance(self._source, Iterator):
            self._running = self._begun()
        self._fresh = False
        cut = cut_symbols(self._signature)
        for given in self._running:
            arrays = self._signature.arrays(bound(self._signature, given))
            yield next((len(a) for a, c in zip(arrays, cut, strict=True) if c and a.ndim), 1), arrays


def is_stream(data: Any) -> bool:
    """Whether `data` give batches instead of being cut into them."""
    return not isinstance(data, Mapping | tuple | np.ndarray) and (callable(data) or isinstance(data, Iterable))


__all__ = ["Batch", "Batches", "Cut", "Stream", "bound", "is_stream"]
