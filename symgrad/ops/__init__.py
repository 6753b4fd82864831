"""The operation table: importing this package registers every row."""

from . import (
    activations,
    arithmetic,
    costs,
    contraction,
    elementwise,
    functions,
    leaves,
    reductions,
    removable,
    shaping,
    special,
)

__all__ = [
    "activations",
    "arithmetic",
    "costs",
    "contraction",
    "elementwise",
    "functions",
    "leaves",
    "reductions",
    "removable",
    "shaping",
    "special",
]
