"""Layered layout of a directed acyclic graph after Sugiyama: layers by longest path, order by barycentres, places by
averaging.  Edges that pass layers bend at a place of their own in each, so that they cross no vertex.

(Sugiyama, Tagawa, Toda, *Methods for Visual Understanding of Hierarchical System Structures*, IEEE SMC 11, 1981.)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """The centres of the vertices, and for each edge the points that it passes from start to end."""

    places: list[tuple[float, float]]
    routes: list[list[tuple[float, float]]]
    width: float
    height: float


def layered(widths: Sequence[float], edges: Sequence[tuple[int, int]], gap: float, step: float) -> Layout:
    """A layout of vertices of these widths; edges run upwards from lower layers, `gap` apart, `step` between layers."""
    layer = _layers(len(widths), edges)
    widths, layer = list(widths), list(layer)
    chains = [_chain(a, b, widths, layer) for a, b in edges]
    links = [link for chain in chains for link in itertools.pairwise(chain)]
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for v, k in enumerate(layer):
        rows[k].append(v)
    below: list[list[int]] = [[] for _ in widths]
    above: list[list[int]] = [[] for _ in widths]
    for a, b in links:
        above[a].append(b)
        below[b].append(a)
    _order(rows, below, above)
    x = _spread(rows, widths, below, above, gap)
    places = [(x[v], layer[v] * step) for v in range(len(widths))]
    left = min((x[v] - widths[v] / 2 for v in range(len(widths))), default=0.0)
    right = max((x[v] + widths[v] / 2 for v in range(len(widths))), default=0.0)
    moved = [(a - left, b) for a, b in places]
    count = len(widths) - sum(len(chain) - 2 for chain in chains)
    routes = [[moved[v] for v in chain] for chain in chains]
    return Layout(moved[:count], routes, right - left, max(0, len(rows) - 1) * step)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path to each vertex, for edges that run from smaller to larger numbers.  A vertex without inputs
    stands right below its first consumer."""
    layer = [0] * count
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        layer[b] = max(layer[b], layer[a] + 1)
    lowest: dict[int, int] = {}
    for a, b in edges:
        lowest[a] = min(lowest.get(a, layer[b]), layer[b])
    for v in set(lowest) - {b for _, b in edges}:
        layer[v] = lowest[v] - 1
    return layer


def _chain(a: int, b: int, widths: list[float], layer: list[int]) -> list[int]:
    """The vertices that an edge passes; new ones of width 0 in the layers between."""
    chain = [a]
    for k in range(layer[a] + 1, layer[b]):
        chain.append(len(widths))
        widths.append(0.0)
        layer.append(k)
    return [*chain, b]


def _order(rows: list[list[int]], below: list[list[int]], above: list[list[int]]) -> None:
    """Sorts each row by the mean position of its neighbours, upwards and downwards in turn."""
    position: dict[int, float] = {}
    for row in rows:
        position.update({v: float(k) for k, v in enumerate(row)})
    for sweep in range(SWEEPS):
        neighbours = below if sweep % 2 == 0 else above
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=lambda v: _mean([position[u] for u in neighbours[v]], position[v]))
            position.update({v: float(k) for k, v in enumerate(row)})


def _spread(
    rows: list[list[int]], widths: Sequence[float], below: list[list[int]], above: list[list[int]], gap: float
) -> list[float]:
    """Horizontal places: the mean of the neighbours' where the row has room, in the order of the row."""
    x = [0.0] * len(widths)
    for row in rows:
        _place(row, [0.0] * len(row), widths, gap, x)
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [_mean([x[u] for u in (*below[v], *above[v])], x[v]) for v in row]
            _place(row, wanted, widths, gap, x)
    return x


def _place(row: Sequence[int], wanted: Sequence[float], widths: Sequence[float], gap: float, x: list[float]) -> None:
    """Places as near to the wanted ones as the widths allow: the mean of packing from the left and from the right."""
    left: list[float] = []
    for k, v in enumerate(row):
        room = left[-1] + (widths[row[k - 1]] + widths[v]) / 2 + gap if k else wanted[k]
        left.append(max(wanted[k], room))
    right: list[float] = []
    for k in range(len(row) - 1, -1, -1):
        room = right[-1] - (widths[row[k + 1]] + widths[row[k]]) / 2 - gap if right else wanted[k]
        right.append(min(wanted[k], room))
    for v, a, b in zip(row, left, reversed(right), strict=True):
        x[v] = (a + b) / 2


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default
