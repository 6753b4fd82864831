"""Program → Program, in this order."""

from __future__ import annotations

from collections.abc import Callable

from ..index import Program
from .dead import drop_dead
from .diagonals import scatter_diagonals
from .hyperbolic import share_hyperbolic
from .joining import join_loops
from .late import pull_late_factors
from .parts import read_parts
from .products import order_products
from .views import forward_views

PIPELINE: list[Callable[[Program], Program]] = [
    read_parts,
    forward_views,
    share_hyperbolic,
    scatter_diagonals,
    drop_dead,
    join_loops,
    drop_dead,
    pull_late_factors,
    order_products,
    drop_dead,
]
