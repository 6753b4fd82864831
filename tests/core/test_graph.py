"""The graph: interned nodes, order, views, copies, depth, and memory."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import threading
from collections.abc import Callable

import numpy as np
import pytest

import symgrad as sg
from symgrad import graph
from symgrad.graph import Graph, Node, flatten, postorder, unflatten


def example() -> sg.Expr:
    return sg.parse("sum(tanh(W @ x + b)**2) + norm(x)", W="m,n", x="n", b="m")


# ---- nodes

def test_equal_structure_is_the_same_object() -> None:
    assert example().node is example().node
    assert example().grad("W").node is example().grad("W").node
    x = sg.scalar("x")
    assert (x + 1).node is (x + 1).node
    assert (x + 1).node is not (x + 1.5).node
    assert sg.scalar("x", "f32").node is not x.node


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_are_the_same_node(duplicate: Callable[[object], sg.Expr]) -> None:
    for x in (example(), example().hessian("x")):
        again = duplicate(x)
        assert again.node is x.node
        assert again.shapes == x.shapes
        assert str(again) == str(x)


def test_flat_table_gives_back_the_graph() -> None:
    roots = [example().grad("W").node, example().node]
    assert all(a is b for a, b in zip(unflatten(flatten(roots)), roots, strict=True))


def test_threads_build_one_graph() -> None:
    built: list[list[Node]] = []
    start = threading.Barrier(8)

    def build() -> None:
        start.wait()
        formulas = [sg.parse(f"sin(x*{k}) + exp(y/{k + 1})*x", x="", y="") for k in range(40)]
        built.append([f.grad("x").node for f in formulas])

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 8
    assert all(a is b for nodes in built for a, b in zip(nodes, built[0], strict=True))


# ---- views

def test_graph_answers_the_questions_of_the_textbook() -> None:
    """Deep Learning, 6.5.1: get_operation, get_inputs, get_consumers."""
    x, y = sg.scalar("x"), sg.scalar("y")
    product = x * y
    f = sg.sin(product) + product
    view = sg.Graph((f.node,))
    assert [view.operation(v) for v in view] == ["symbol", "symbol", "mul", "sin", "add"]
    assert view.inputs(product.node) == (x.node, y.node)
    assert [view.operation(v) for v in view.consumers(product.node)] == ["sin", "add"]
    assert view.consumers(f.node) == ()
    assert view.counts() == {"add": 1, "mul": 1, "sin": 1, "symbol": 2}
    assert len(view) == 5
    assert list(sg.Graph([f, product])) == list(view)
    assert view.inputs(product) == view.inputs(product.node)
    with pytest.raises(sg.ArgumentError, match="graph: expected expressions or nodes, got str"):
        sg.Graph("x + y")


def test_graph_becomes_a_networkx_graph() -> None:
    import networkx as nx

    view = Graph((example().grad("W").node,))
    converted = view.to_networkx()
    assert nx.is_directed_acyclic_graph(converted)
    assert converted.number_of_nodes() == len(view)
    assert converted.number_of_edges() == sum(len(v.inputs) for v in view)
    assert [converted.nodes[k]["op"] for k in converted] == [view.operation(v) for v in view]


def test_order_is_that_of_the_textbook() -> None:
    """Algorithm 6.1: every node after its parents, each once."""
    order = postorder([example().hessian("W").node])
    place = {v: k for k, v in enumerate(order)}
    assert len(place) == len(order)
    assert all(place[i] < place[v] for v in order for i in v.inputs)


def test_differentiation_is_pruned_to_the_paths_between() -> None:
    """Only what depends on the variable is differentiated: the rest may have no derivative at all."""
    x, k = sg.vector("x", 4), sg.tensor("k", "i64[4]")
    f = sg.sum(x * (k // 2).astype("f64") + sg.floor(sg.stop_gradient(x)))
    np.testing.assert_array_equal(f.grad("x")(x=np.ones(4), k=[2, 4, 6, 8]), [1, 2, 3, 4])


def test_cost_of_the_gradient_is_linear_in_the_edges() -> None:
    """Deep Learning, 6.5.3: back-propagation is linear in edges where the sum over paths doubles with every level."""
    sizes = []
    for depth in (20, 40, 80):
        f = sg.scalar("x")
        for _ in range(depth):
            f = sg.sin(f) * f
        sizes.append(len(Graph((f.grad("x").node,))))
    assert sizes[1] < 2.1 * sizes[0]
    assert sizes[2] < 2.1 * sizes[1]


# ---- large graphs

def chain(n: int) -> sg.Expr:
    x = sg.scalar("x")
    for _ in range(n // 2):
        x = sg.sin(x) + 0.125
    return x


def web(n: int) -> sg.Expr:
    """A random graph: each operation takes two of the fifty before it, and the last ones are added up."""
    choose = random.Random(0)
    known = [sg.scalar(f"x{k}") for k in range(50)]
    for k in range(n):
        a, b = choose.choice(known[-50:]), choose.choice(known[-50:])
        known.append(sg.sin(a) if k % 4 == 0 else a * b if k % 4 == 1 else a + b)
    return sg.sum(sg.stack(known[-50:]))


def test_value_and_derivative_of_a_deep_chain() -> None:
    f = chain(10_000)
    x, slope = 0.3, 1.0
    for _ in range(5_000):
        x, slope = np.sin(x) + 0.125, slope * np.cos(x)
    assert f(0.3) == pytest.approx(x, rel=1e-12)
    assert f.grad("x")(0.3) == pytest.approx(slope, rel=1e-9, abs=1e-300)


@pytest.mark.slow
def test_chain_of_100_000_nodes() -> None:
    f = chain(100_000)
    assert len(Graph((f.node,))) > 100_000
    assert 1_000_000 < len(str(f.grad("x"))) < 10_000_000


def test_sums_and_products_of_5000_terms() -> None:
    terms = [f"a{k}*x" for k in range(5000)]
    f = sg.parse(" + ".join(terms))
    assert f.grad("x")(x=1, **{f"a{k}": k for k in range(5000)}) == sum(range(5000))
    assert len(f.canonical().node.inputs) == 5000
    g = sg.parse("*".join(f"a{k}" for k in range(5000)) + "*x")
    assert g.grad("x")(x=1, **{f"a{k}": 1 + 1 / (k + 1) for k in range(5000)}) == pytest.approx(5001)


@pytest.mark.slow
def test_graph_of_a_million_nodes() -> None:
    f = web(1_500_000)
    assert len(Graph((f.node,))) > 1_000_000
    g = f.grad("x3")
    assert len(Graph((g.node,))) > 1_000_000
    assert str(f)
    assert str(g)


def test_dropped_graphs_are_freed() -> None:
    gc.collect()
    before = len(graph._table)
    f = web(3_000)
    g = f.grad("x3")
    assert len(graph._table) > before + 2_000
    del f, g
    gc.collect()
    assert len(graph._table) < before + 200
