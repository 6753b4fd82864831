"""Functions that LaTeX writes with signs of their own instead of a name and parentheses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .terms import Term
from .writer import Piece

ATOM, POWER, PRODUCT, SUM = 9, 8, 6, 4
_LETTERS = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi
psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"""
GREEK = frozenset(_LETTERS.split())
SHORT = {"lam": "lambda", "eps": "epsilon", "sig": "sigma", "lambda_": "lambda"}


def greek_name(name: str) -> str:
    """The Greek letter that a name spells, otherwise the name."""
    name = SHORT.get(name, name)
    return f"\\{name}" if name in GREEK else name


@dataclass(frozen=True, slots=True)
class Form:
    """How calls of one function look, and how strongly that binds (for a term, since it may depend on arguments)."""

    pieces: Callable[[Term, str], list[Piece]]
    strength: Callable[[Term], int] = lambda t: ATOM


def _around(before: str, after: str) -> Form:
    return Form(lambda t, top: [before, (t.parts[0], 0), after])


def _norm(t: Term, top: str) -> list[Piece]:
    below = "".join(f"_{{\\mathrm{{{k}={v}}}}}" for k, v in t.data[1]) or ("_{F}" if t.parts[0].rank == 2 else "")
    return [r"\left\lVert ", (t.parts[0], 0), rf"\right\rVert{below}"]


def _sum(t: Term, top: str) -> list[Piece]:
    """Sums over an axis as products with a vector of ones."""
    axis = dict(t.data[1]).get("axis")
    (x,) = t.parts
    if x.rank == 1 and axis is None:
        return [rf"\mathbf{{1}}^{{{top}}} ", (x, 7)]
    if x.rank == 2 and axis == "0":
        return [(x, 8), rf"^{{{top}}} \mathbf{{1}}"]
    if x.rank == 2 and axis == "1":
        return [(x, 7), r" \mathbf{1}"]
    if x.rank == 2 and axis is None:
        return [rf"\mathbf{{1}}^{{{top}}} ", (x, 7), r" \mathbf{1}"]
    below = f"_{{\\mathrm{{axis}}={axis}}}" if axis is not None else ""
    return [rf"\operatorname{{sum}}{below}\left(", (x, 0), r"\right)"]


def _sum_strength(t: Term) -> int:
    return PRODUCT if t.parts[0].rank <= 2 else ATOM


def _outer(t: Term, top: str) -> list[Piece]:
    return [(t.parts[0], 7), " ", (t.parts[1], ATOM), f"^{{{top}}}"]


def _cases(t: Term, top: str) -> list[Piece]:
    condition, a = t.parts[:2]
    other: Piece = (t.parts[2], 0) if len(t.parts) > 2 else "0"
    first: list[Piece] = [(a, 0), r" & \text{if } ", (condition, 0)]
    return [r"\begin{cases} ", *first, r" \\ ", other, r" & \text{otherwise} \end{cases}"]


def _converted(t: Term, top: str) -> list[Piece]:
    """A truth value as the number 0 or 1 in Iverson's brackets; other conversions are not written."""
    truth = t.parts[0].form in ("binary", "not")
    return [r"\left[", (t.parts[0], 0), r"\right]"] if truth else [(t.parts[0], 0)]


def _filled(symbol: str) -> Form:
    def pieces(t: Term, top: str) -> list[Piece]:
        shape = t.parts[0].data[0].strip("()").replace(", ", r" \times ").replace("*", " ")
        return [rf"{symbol}_{{{shape}}}"]

    return Form(pieces)


def _full(t: Term, top: str) -> list[Piece]:
    shape = t.parts[0].data[0].strip("()").replace(", ", r" \times ").replace("*", " ")
    return [(t.parts[1], 7), rf" \mathbf{{1}}_{{{shape}}}"]


def _einsum(t: Term, top: str) -> list[Piece]:
    """Index notation: the sum over the labels that the result lacks, between brackets with the result's labels; the
    identity is Kronecker's delta."""
    left, _, out = t.parts[0].data[0].strip('"').partition("->")
    labels = left.split(",")
    summed = [k for k in dict.fromkeys("".join(labels)) if k not in out]
    found: list[Piece] = [r"\left["] if out else []
    if summed:
        found.append(rf"\sum_{{{', '.join(summed)}}} ")
    for p, ls in zip(t.parts[1:], labels, strict=True):
        if p.form == "call" and p.data[0] == "eye":
            found.append(rf"\delta_{{{ls}}} ")
        elif p.form == "name" and p.data[0].isalpha():
            found += [(p, ATOM), f"_{{{ls}}} " if ls else " "]
        else:
            found += ["{", (p, ATOM), f"}}_{{{ls}}} " if ls else "} "]
    return [*found, *([rf"\right]_{{{out}}}"] if out else [])]


CALLS: dict[str, Form] = {
    "sqrt": _around(r"\sqrt{", "}"), "cbrt": _around(r"\sqrt[3]{", "}"), "abs": _around(r"\left|", r"\right|"),
    "floor": _around(r"\left\lfloor ", r"\right\rfloor"), "ceil": _around(r"\left\lceil ", r"\right\rceil"),
    "norm": Form(_norm), "sum": Form(_sum, _sum_strength),
    "outer": Form(_outer, lambda t: PRODUCT), "diag": _around(r"\operatorname{diag}\left(", r"\right)"),
    "trace": _around(r"\operatorname{tr}\left(", r"\right)"), "det": _around(r"\det\left(", r"\right)"),
    "logdet": _around(r"\log\left|\det ", r"\right|"),
    "inv": Form(lambda t, top: [(t.parts[0], ATOM), "^{-1}"], lambda t: POWER),
    "where": Form(_cases, lambda t: 1), "mask": Form(_cases, lambda t: 1),
    "eye": _filled(r"\mathbf{I}"), "zeros": _filled(r"\mathbf{0}"),
    "ones": _filled(r"\mathbf{1}"), "full": Form(_full, lambda t: PRODUCT),
    "einsum": Form(_einsum, lambda t: ATOM if t.rank else SUM), "astype": Form(_converted),
    "array": _around("", ""), "broadcast_to": Form(
        lambda t, top: [r"\operatorname{broadcast}\left(", (t.parts[0], 0), r"\right)"]),
}  # fmt: skip
