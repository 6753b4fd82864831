"""Program → Program, in this order."""

from __future__ import annotations

from collections.abc import Callable

from ..index import Program
from .dead import drop_dead

PIPELINE: list[Callable[[Program], Program]] = [
    drop_dead,
]
