"""`cost` counts operations and memory as polynomials in the sizes."""

from __future__ import annotations

import symgrad as sg


def test_costs_of_a_product_by_hand() -> None:
    cost = sg.parse("X @ w", X="m,n", w="n").cost()
    assert str(cost) == "2*m*n operations, 8*m*n + 8*n bytes of inputs, 8*m bytes of results"
    assert cost.at(m=3, n=5) == (30, 160, 24)


def test_products_are_counted_in_the_order_in_which_they_are_planned() -> None:
    chain = sg.parse("A @ B @ v", A="m,m", B="m,m", v="m")
    assert str(chain.cost().operations) == "4*m*m"


def test_a_gradient_costs_a_small_multiple_of_its_value() -> None:
    loss = sg.parse("sum(log(1 + exp(-y * (X @ w))))", X="m,n", y="m", w="n")
    sizes = {"m": 10_000, "n": 50}
    value, gradient, product = (e.cost().at(**sizes)[0] for e in (loss, loss.grad("w"), loss.hvp("w", "v")))
    assert gradient < 2.1 * value and product < 3.1 * value
