"""Pictures of graphs: SVG that any XML reader reads, vertices that do not overlap, folding, DOT."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from symgrad.differentiation import jacobian
from symgrad.errors import ArgumentError
from symgrad.expression import FUNCTIONS, Expr
from symgrad.parser import parse
from symgrad.show.drawing import COLOURS, Drawing, draw
from symgrad.show.latex import notebook_latex
from symgrad.show.layout import layered

SVG = "{http://www.w3.org/2000/svg}"


def logistic() -> Drawing:
    loss = parse("sum(log(1 + exp(-y*(X @ w)))) + lam/2*sum(w**2)", X="m,n", y="m", w="n", lam="")
    (slope,) = jacobian(loss.node, [loss.declared[2]])
    return draw(loss, [slope])


def boxes(d: Drawing) -> list[tuple[str, dict[str, str], str]]:
    """Label, attributes of the rectangle and title of every vertex in the SVG."""
    root = ET.fromstring(d.svg)
    groups = [g for g in root.findall(f"{SVG}g") if g.find(f"{SVG}rect") is not None]
    return [
        (g.findtext(f"{SVG}text") or "", dict(g.find(f"{SVG}rect").attrib), g.findtext(f"{SVG}title") or "")  # type: ignore[union-attr]
        for g in groups
    ]


def test_values_and_derivatives_have_two_colours() -> None:
    shown = boxes(logistic())
    fills = {attributes["fill"] for _, attributes, _ in shown}
    assert fills == {fill for fill, _ in COLOURS.values()}
    by_label = {label: attributes["fill"] for label, attributes, _ in shown}
    assert by_label["log"] == COLOURS["value"][0]
    assert by_label["X"] == COLOURS["symbol"][0]
    titles = {title for _, _, title in shown}
    assert "log: f64[m]" in titles
    assert sum(attributes["stroke-width"] == "2.4" for _, attributes, _ in shown) == 2


def test_shapes_stand_on_the_edges() -> None:
    root = ET.fromstring(logistic().svg)
    types = {t.text for t in root.iter(f"{SVG}text")}
    assert {"f64", "f64[n]", "f64[m]", "f64[m, n]"} <= types


def test_edges_run_upwards_and_vertices_do_not_overlap() -> None:
    d = logistic()
    assert all(a < b for a, b, _ in d.edges)
    shown = [{k: float(v) for k, v in a.items() if k in ("x", "y", "width", "height")} for _, a, _ in boxes(d)]
    for k, a in enumerate(shown):
        for b in shown[k + 1 :]:
            beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
            assert beside or abs(a["y"] - b["y"]) >= a["height"]
    for start, end, _ in d.edges:
        assert shown[end]["y"] < shown[start]["y"]


def test_layout_of_random_graphs() -> None:
    random = np.random.default_rng(3)
    for count in (1, 2, 7, 30):
        edges = sorted({(int(a), int(b)) for a, b in random.integers(0, count, (2 * count, 2)) if a < b})
        widths = random.uniform(10, 80, count).tolist()
        found = layered(widths, edges, 5, 40)
        for a, b in edges:
            assert found.places[a][1] < found.places[b][1]
        for route, (a, b) in zip(found.routes, edges, strict=True):
            assert (route[0], route[-1]) == (found.places[a], found.places[b])
        for a in range(count):
            for b in range(a):
                apart = abs(found.places[a][0] - found.places[b][0])
                assert found.places[a][1] != found.places[b][1] or apart >= (widths[a] + widths[b]) / 2 + 5 - 1e-6
        assert all(x - w / 2 + 1e-6 >= 0 and x + w / 2 <= found.width + 1e-6
                   for (x, _), w in zip(found.places, widths, strict=True))  # fmt: skip


def test_large_graphs_are_folded() -> None:
    e = x = parse("x")
    for k in range(5000):
        e = FUNCTIONS["sin"](e) if k % 3 else e * x
    d = draw(e, [FUNCTIONS["cos"](e)], largest=40)
    assert len(d.vertices) <= 45
    assert sum(int(v.label.split()[0]) for v in d.vertices if "nodes" in v.label) >= 4990
    assert all(a < b for a, b, _ in d.edges)
    ET.fromstring(d.svg)


def test_the_file_of_a_graph_with_much_sharing_is_small() -> None:
    rng = np.random.default_rng(1)
    values = [parse(f"x{k}") for k in range(6)]
    while len(values) < 400:
        a, b = (values[-1 - int(k)] for k in rng.integers(0, min(40, len(values)), 2))
        values.append(FUNCTIONS["sin"](a) if len(values) % 3 == 0 else a * b if len(values) % 3 == 1 else a + b)
    drawn = draw(sum(values[-40:], start=values[-41])).svg
    ET.fromstring(drawn)
    assert len(drawn) < 200_000


def test_dot_and_files(tmp_path: Path) -> None:
    d = draw(parse('einsum("ij,j->i", A, x)', A="m,n", x="n"))
    assert d.dot.startswith("digraph {")
    assert 'label="ij,j → i"' in d.dot
    assert 'v0 -> v2 [label="f64[m, n]"' in d.dot
    for name in ("graph.svg", "graph.dot", "graph.gv"):
        path = d.save(tmp_path / name)
        assert path.read_text(encoding="utf-8") in (d.svg, d.dot)
    with pytest.raises(ArgumentError, match=r"a file ends in \.svg, \.dot or \.gv, got 'graph.png'"):
        d.save(tmp_path / "graph.png")


def test_notebooks() -> None:
    assert logistic()._repr_svg_().startswith("<svg ")
    assert notebook_latex(parse("x**2")) == r"$\displaystyle x^{2}$"
    long: Expr = parse("x")
    for _ in range(10_000):
        long = FUNCTIONS["sin"](long)
    assert notebook_latex(long) is None
