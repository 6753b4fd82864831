"""The operation table: importing this package registers every row."""

from . import (
    activations,
    arithmetic,
    contraction,
    costs,
    determinants,
    elementwise,
    factorisations,
    functions,
    leaves,
    linear_algebra,
    reductions,
    removable,
    shaping,
    special,
    spectral,
    triangles,
)

__all__ = [
    "activations",
    "arithmetic",
    "costs",
    "determinants",
    "contraction",
    "elementwise",
    "factorisations",
    "functions",
    "leaves",
    "linear_algebra",
    "reductions",
    "removable",
    "shaping",
    "special",
    "spectral",
    "triangles",
]
