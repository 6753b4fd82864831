"""Which node a derivative came from: a side table that back-propagation fills while somebody listens.

Nodes are shared by all formulas, so what made a node cannot stand in the node; and nobody who only wants a derivative
should pay for the table.  Differentiation is deterministic and nodes are interned: whoever wants to know differentiates
once more inside `recording`, and gets the same nodes with their origins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from .graph import Node


@dataclass
class Origins:
    """`table`: for each node of a derivative, before it is simplified, the node whose rule made it."""

    table: dict[Node, Node] = field(default_factory=dict)
    primal: set[Node] = field(default_factory=set)

    def begin(self, order: Iterable[Node]) -> None:
        """What was there before the derivative."""
        self.primal.update(order)

    def note(self, source: Node, made: Iterable[Node]) -> None:
        """The rule of `source` made the nodes `made`, and what is new below them."""
        pending = list(made)
        while pending:
            x = pending.pop()
            if x not in self.table and x not in self.primal:
                self.table[x] = source
                pending.extend(x.inputs)


_listening: ContextVar[Origins | None] = ContextVar("listening", default=None)


@contextmanager
def recording() -> Iterator[Origins]:
    """Listens to every derivative that is taken inside."""
    origins = Origins()
    token = _listening.set(origins)
    try:
        yield origins
    finally:
        _listening.reset(token)


def listening() -> Origins | None:
    """Where to note origins, if anybody wants to know."""
    return _listening.get()


__all__ = ["Origins", "listening", "recording"]
