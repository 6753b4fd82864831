"""The operation table: importing this package registers every row."""

from . import arithmetic, einsum, elementwise, functions, leaves, reductions, shaping

__all__ = ["arithmetic", "einsum", "elementwise", "functions", "leaves", "reductions", "shaping"]
