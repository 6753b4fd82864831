"""Loops print without running the functions that made them again."""

from __future__ import annotations

import symgrad as sg


def test_scan_vmap_and_while_print() -> None:
    x, X = sg.vector("x", "n"), sg.matrix("X", "b,n")
    last, rows = sg.scan(lambda c, s: (c * sg.sin(s) + s, c), 1.0, x)
    mapped = sg.vmap(lambda r: sg.scan(lambda c, s: (c * s, None), 1.0, r)[0])(X)
    repeated = sg.while_loop(lambda c: c < 3, lambda c: c + 1 + sg.sum(x**2), 0.0)
    for y in (last, rows, sg.sum(rows).grad(x), mapped):
        assert "scan(" in str(y)
        assert y.latex()
    assert "while(" in str(repeated)
