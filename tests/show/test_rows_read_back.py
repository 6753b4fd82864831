"""The text of every operation and of its derivatives reads back as the same canonical node."""

from __future__ import annotations

import pytest

from symgrad.expression import Expr
from symgrad.parser import parse
from tests.ops.harness import Row
from tests.ops.rows import ROWS

NOT_AT_SECOND_ORDER = {
    "lstsq residuals",  # a long sum that two terms shared before these became one is not taken apart
}


def reads_back(e: Expr) -> None:
    c = e.canonical()
    shown = str(c)
    assert parse(shown, **e.shapes).canonical().node is c.node, shown


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_operation_and_its_jacobians(row: Row) -> None:
    symbols = row.symbols()
    e = Expr(row.build(*symbols).node, tuple(x.node for x in symbols))
    if "constant(" in str(e.canonical()):
        pytest.skip("holds an array that is written in short")
    reads_back(e)
    for name in row.differentiable() if row.orders else ():
        first = e.jacobian(name)
        reads_back(first)
        if row.orders > 1 and row.name not in NOT_AT_SECOND_ORDER:
            reads_back(first.jacobian(name))
