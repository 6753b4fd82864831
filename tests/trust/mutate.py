"""The mutation score of the derivative rules: ``python -m tests.trust.mutate [operation ...]``.

Every rule is broken in every simple way: the cotangent of an operand (or the tangent of the result) with the other
sign, doubled, left out, or without one of its terms or factors.  A mutant is killed if a test of the operation table
fails with it; the tests are called directly, the cheapest first.  Prints the survivors and the score.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from symgrad.expression import Expr, symbols_of
from symgrad.graph import OPS, Op, node, postorder
from tests.ops import test_control, test_custom, test_elementwise, test_rows
from tests.ops.harness import jacobian
from tests.trust import test_edge_cases

Rule = Callable[..., Any]
Change = tuple[str, Callable[[Expr], Expr | None]]


def changes(g: Expr) -> Iterator[Change]:
    """Every way to break one result of a rule."""
    yield "negated", lambda e: -e
    yield "doubled", lambda e: 2 * e
    yield "left out", lambda e: None
    for what, names in (("term", ("add", "sub")), ("factor", ("mul", "div"))):
        if g.node.op.name in names:
            for k in range(len(g.node.inputs)):
                yield f"without {what} {k}", lambda e, k=k: _without(e, k)  # type: ignore[misc]


def _without(e: Expr, k: int) -> Expr:
    """`e` without operand k of its sum or product; a broadcast result keeps its shape."""
    x = e.node
    if x.op.name in ("sub", "div"):
        kept = Expr(x.inputs[0]) if k == 1 else -Expr(x.inputs[1]) if x.op.name == "sub" else 1 / Expr(x.inputs[1])
    else:
        rest = tuple(i for j, i in enumerate(x.inputs) if j != k)
        kept = Expr(rest[0] if len(rest) == 1 else node(x.op, rest))
    from symgrad.ops.contraction import broadcast_to

    return kept if kept.type == e.type else broadcast_to(kept, e.type.shape)


class Mutated:
    """`op` with a broken rule, while inside."""

    def __init__(self, op: Op, which: str, k: int, name: str) -> None:
        self.op, self.which, self.k, self.name = op, which, k, name
        self.rule: Rule = getattr(op, which)
        self.used = False

    def __enter__(self) -> Mutated:
        object.__setattr__(self.op, self.which, self.broken)
        return self

    def __exit__(self, *_: object) -> None:
        object.__setattr__(self.op, self.which, self.rule)

    def broken(self, *args: Any) -> Any:
        """The rule's results, one of them changed."""
        result = self.rule(*args)
        parts = list(result) if self.which == "vjp" else [result]
        if self.k < len(parts) and isinstance(parts[self.k], Expr):
            found = dict(changes(parts[self.k]))
            if self.name in found:
                self.used = True
                parts[self.k] = found[self.name](parts[self.k])
        return parts if self.which == "vjp" else parts[0]


def mutants(op: Op, samples: list[tuple[str, list[Any]]]) -> Iterator[tuple[str, int, str]]:
    """The mutants of an operation: which rule, which result, which change; as far as rules were watched."""
    seen: dict[tuple[str, int, str], None] = {}
    for which, parts in samples:
        for k, g in enumerate(parts):
            if isinstance(g, Expr):
                seen.update(dict.fromkeys((which, k, name) for name, _ in changes(g)))
    yield from seen


def watched(op: Op, tests: list[Callable[[], None]]) -> list[tuple[str, list[Any]]]:
    """What the rules of `op` gave during the tests."""
    found: list[tuple[str, list[Any]]] = []
    original = {which: getattr(op, which) for which in ("vjp", "jvp")}

    def listener(which: str) -> Rule:
        def listen(*args: Any) -> Any:
            result = original[which](*args)
            found.append((which, _wanted(result, args[2:]) if which == "vjp" else [result]))
            return result

        return listen

    for which, rule in original.items():
        if rule is not None:
            object.__setattr__(op, which, listener(which))
    try:
        for test in tests:
            _passes(test)
    finally:
        for which, rule in original.items():
            object.__setattr__(op, which, rule)
    return found


def _wanted(parts: Any, operands: tuple[Expr, ...]) -> list[Any]:
    """The cotangents of operands that are no constants: nobody asks for the others."""
    return [p if symbols_of([x.node]) else None for p, x in zip(parts, operands, strict=True)]


def _passes(test: Callable[[], None]) -> bool:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            test()
    except Exception:
        return False
    return True


def tests_of(op: Op) -> list[Callable[[], None]]:
    """The tests that use the rules of an operation, the cheapest first."""
    found: list[Callable[[], None]] = []
    if op in test_elementwise.DIFFERENTIABLE:
        found.append(lambda: test_elementwise.test_derivatives(op, 1))
        found.append(lambda: test_elementwise.test_forward_is_reverse(op))
        found.append(lambda: test_elementwise.test_cotangents_are_multiplied(op))
        found.append(lambda: test_elementwise.test_derivatives(op, 2))
    for row, name in test_rows.DIFFERENTIABLE:
        if op.name in _used(row):
            found.append(lambda row=row, name=name: test_rows.test_derivatives(row, name))  # type: ignore[misc]
    if op.name in ("scan", "while"):
        found += [lambda k=k: test_control.test_derivatives_of_a_scan(k) for k in range(3)]  # type: ignore[misc]
        found += [test_control.test_third_derivative, test_control.test_while_loop, test_control.test_nested_scans]
    if op.name == "heaviside":
        found.append(test_edge_cases.test_the_value_of_heaviside_at_zero)
    if op.name == "implicit_root":
        found += [test_custom.test_root, test_custom.test_root_of_a_system, test_custom.test_minimizer]
    return found[:12]


_rows: dict[str, set[str]] = {}


def _used(row: Any) -> set[str]:
    if row.name not in _rows:
        xs = row.symbols()
        y = row.build(*xs)
        roots = [y.node]
        if y.dtype == "f64" and row.orders:
            roots += [jacobian(y, xs[list(row.shapes).index(n)]).node for n in row.differentiable()]
        _rows[row.name] = {x.op.name for x in postorder(roots)}
    return _rows[row.name]


def main(names: list[str]) -> None:
    """Prints the survivors and the score."""
    killed, total = 0, 0
    for op in [OPS[n] for n in names] or [op for op in OPS.values() if op.vjp is not None]:
        tests = tests_of(op)
        for which, k, name in mutants(op, watched(op, tests)):
            with Mutated(op, which, k, name) as mutant:
                dead = any(not _passes(test) for test in tests)
            if not mutant.used and not dead:
                continue
            total, killed = total + 1, killed + dead
            if not dead:
                print(f"survives: {op.name}, {which} {k} {name}", flush=True)
    print(f"{killed} of {total} mutants killed: {100 * killed / max(1, total):.1f} %")


if __name__ == "__main__":
    main(sys.argv[1:])
