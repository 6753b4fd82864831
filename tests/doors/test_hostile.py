"""Text from strangers: an expression or an error of ours, soon, and nothing is run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symgrad as sg
from symgrad.expression import FUNCTIONS, METHODS
from tests.doors.cases import load

HOSTILE = {case["id"]: case for case in load("hostile")["cases"]}
ACCEPTED = {
    "ternary": "where(x > 0, x, y)",
    "nested_power": "((((x**99)**99)**99)**99)**99",
    "caret_power": "x**2",
    "double_star_neg": "2**(-x)",
    "chained_cmp": "(0 < x) & (x < 1)",
    "int_division": f"{1 / 3!r}*x",
    "underscore_num": "1000*x",
    "factorial": "gamma(astype(10**7, 'f64') + 1)",
    "second_derivs": "exp(sin(exp(sin(exp(sin(exp(sin(x))))))))",
}
"""The texts that mean something, and other texts that mean the same."""
MESSAGES = {
    "lambda": "lambda is a reserved word",
    "fstring": "text may stand only as an argument",
    "eval_call": "eval is not a function",
    "open_call": "open is not a function",
    "exit_call": "exit is not a function",
    "loadtxt": "loadtxt is not a function",
    "attr_real": "attributes are not read",
    "attr_method": "subs is not a method",
    "starred": "expected a value, found *",
    "null_byte": "U+0000",
    "star_import": "from is a reserved word",
    "decorator": "expected a value, found @",
    "huge_float": "larger than any float64",
    "deep_parens_1e4": "nested more than 5000",
    "deep_parens_1e6": "at most 1000000 are read",
    "unary_minus_1e5": "nested more than 5000",
    "deep_calls_1e4": "nested more than 5000",
    "regex_bomb": "at most 320 are read",
    "nfkc_ident": "it looks like fi",
    "math_italic_x": "it looks like x",
    "minus_u2212": "write -",
    "zwsp": "ZERO WIDTH SPACE",
    "rtl_override": "RIGHT-TO-LEFT OVERRIDE",
    "implicit_mul": "write 2*x",
    "leading_zero": "does not start with 0",
    "complex_lit": "complex numbers are not supported",
    "keyword_name": "lambda is a reserved word",
    "builtin_shadow": "sum is a function",
    "empty": "the formula is empty",
    "spaces_only": "the formula is empty",
    "unbalanced": "( is not closed",
    "trailing_comma": "a formula is one value",
}
"""Part of what is said of the others."""


def text_of(case: dict[str, Any]) -> str:
    """The string, or what the generator builds."""
    return case["string"] if case["string"] is not None else eval(case["generator"])


TEXTS = [
    id
    for id, case in HOSTILE.items()
    if not (case["generator"] or "").startswith("API") and not id.startswith("symbol_name")
]


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that every payload tries to make."""
    path = tmp_path / "canary"
    monkeypatch.setenv("CANARY", str(path))
    return path


@pytest.mark.parametrize("id", [id for id in TEXTS if id not in ACCEPTED and id != "long_sum_1e5"])
def test_refused(id: str, canary: Path) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        sg.parse(text_of(HOSTILE[id]))
    assert MESSAGES.get(id, "") in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert not canary.exists()


def test_every_case_is_tried() -> None:
    named = ACCEPTED.keys() | MESSAGES.keys()
    assert {id for id in TEXTS if HOSTILE[id]["cls"] != "exec"} - named == {"long_sum_1e5"}
    assert named <= set(TEXTS)


@pytest.mark.parametrize("id", ACCEPTED)
def test_accepted(id: str) -> None:
    assert sg.parse(text_of(HOSTILE[id])).node is sg.parse(ACCEPTED[id]).node


@pytest.mark.parametrize("id", ["symbol_name_code", "symbol_name_newline"])
def test_refused_as_a_name(id: str, canary: Path) -> None:
    name = HOSTILE[id]["string"]
    for door in (sg.scalar, lambda n: sg.parse("1", **{n: ""}), lambda n: sg.from_function(lambda **k: 1, **{n: ""})):
        with pytest.raises(sg.ArgumentError, match="cannot name a symbol"):
            door(name)
    assert not canary.exists()


def test_long_sum() -> None:
    """Fewer than the case's 10^5 terms, yet a chain deeper than Python's recursion limit."""
    terms = 2000
    f = sg.parse("+".join(f"x*{k}" for k in range(terms)))
    assert f(x=1.0) == terms * (terms - 1) / 2


OURS = {
    "x.__class__": "attributes are not read",
    "x.T.__init__": "attributes are not read",
    "x.T()": "T is not a method",
    "[c for c in x]": "for is a reserved word",
    "x if y": "if without else",
    "x else y": "else without if",
    "(x if y) else z": "if without else",
    "x := 3": ":= is not an operator",
    "x = 3": "= is not an operator",
    "{x}": "write array",
    "x;y": "a formula is one expression",
    "x # y": "a formula has no comments",
    "x \\\n+ 1": "lines need no continuation mark",
    "yield x": "yield is a reserved word",
    "await x": "await is a reserved word",
    "x in y": "in is a reserved word",
    "x is not y": "is is a reserved word",
    "print(x)": "print is not a function",
    "getattr(x, 'node')": "getattr is not a function",
    "np.exp(x)": "write exp(…), without np.",
    "x.y.z(1)": "attributes are not read",
    "sum(x, axis='__import__')": "axis must be an integer",
    "sum(x, axis=0, axis=0)": "given twice",
    "sum(axis=0, x)": "an argument without a name after one with a name",
    "sum(x, **y)": "expected a value, found **",
    "'abc' + x": "text may stand only as an argument",
    "x 'abc'": "expected an operator",
    '"abc': "must end with",
    "x and": "a value must follow and",
    "x +": "a value must follow +",
    "x**": "a value must follow **",
    "()": "a tuple is not a value",
    "(x, y)": "a tuple is not a value",
    "(x, y) + 1": "a tuple is not a value",
    "None": "None is not a value",
    "None + x": "None is not a value",
    "x[": "[ is not closed",
    "x[1:2:3:4]": "at most two colons",
    "x[y:z]": "indices for f64",
    "f(x)": "f is not a function",
    "x(y)": "x is not a function",
    "x(y) + x": "x is a variable, not a function",
    "x y": "write * for a product",
    "x(": "( is not closed",
    "x)": ") closes nothing",
    "(x]": "] does not close (",
    "x ? y : z": "unexpected character ?",
    "x!": "write != or not",
    "x²": "write x**2",
    "x × y": "write *",
    "x\u00a0+ 1": "NO-BREAK SPACE",
    "x\u2028+ 1": "LINE SEPARATOR",
    "\ufeffx": "ZERO WIDTH NO-BREAK SPACE",
    "x + \u0445": "look alike but differ",
    "\u00b5 + 1": "it looks like \u03bc",
    "0x10": "written in decimal",
    "1__0": "is not a number",
    "1e": "write 1*e",
    "1.5.2": "expected an operator",
    "1/0": "division by zero",
    "0.0**-1": "division by zero",
    "10**400": "more than 300 digits",
    "10.0**400": "larger than any float64",
    "(-8)**(1/3)": "is a complex number",
    "9**9**9**9": "more than 300 digits",
    "10**200*10**200*x": "more than 300 digits",
    "x & y > 0": "write (a < b) & (c < d)",
    "not": "a value must follow not",
    "x + not y": "put parentheses around not",
    "s where": "a where tail reads",
    "s where s": "a where tail reads",
    "s where s = t, t = s": "is defined by itself",
    "s where s = s": "is defined by itself",
    "s where s = 1, s = 2": "s is defined twice",
    "s where s = 1 where t = 2": "one where tail",
    "(s where s = 1)": "at the end of the formula",
    "s where 3 = x": "a where tail reads",
}


@pytest.mark.parametrize("text", OURS)
def test_refused_with_a_reason(text: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        sg.parse(text)
    assert OURS[text] in str(caught.value)
    assert caught.value.source == text and caught.value.span is not None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4000 + "x" + ")" * 4000,
        "-" * 4000 + "x",
        "x" + "'" * 4000,
        "x**" * 1000 + "x",
        "x if y else " * 1000 + "z",
        "sin(" * 1000 + "x" + ")" * 1000,
        "x" + "+x" * 5000,
        "[" * 30 + "x" + "]" * 30,
        "x<" * 1000 + "x",
        "x" + "[...]" * 1000,
        "s where " + ",".join(f"s{k}=s{k + 1}" for k in range(2000)) + ",s=s0,s2000=x",
        "not " * 2001 + "x",
    ],
    ids=lambda text: f"{text[:12]}…",
)
def test_long_and_deep_text_is_read(text: str) -> None:
    assert sg.parse(text).type.shape in ((), (1,) * 30)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10**7,
        "1" * 10**7,
        " " * 10**7,
        "(" * 10**7,
        "((((" * 50_000,
        "[" * 50_000,
        "f(" * 6000,
        "-" * 20_000,
        "x." * 20_000,
        "'" * 20_000,
        "_" * 200_000,
        "9" * 300 + "**" + "9" * 300,
        "[" * 40 + "x" + "]" * 40,
        "1e" + "9" * 200,
        "\0" * 10_000,
        "x[" + ":," * 100 + ":]",
        "a" * 300 + "+1",
        "sum(" * 6000,
        "x+" * 20_000,
        "\u200b" * 1000,
        "x,\n" * 1000,
    ],
    ids=lambda text: f"{text[:12]}…",
)
def test_long_and_deep_text_is_refused(text: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        sg.parse(text)
    assert len(str(caught.value)) < 1000


def test_nothing_is_imported_by_parsing() -> None:
    """A process that has parsed holds no module that it had not before."""
    program = (
        "import sys, symgrad\nbefore = set(sys.modules)\n"
        "for text in ('__import__(\"antigravity\")', 'os.system(\"x\")', 'exp(x)', 'import this', 'this.s'):\n"
        "    try: symgrad.parse(text)\n    except symgrad.SymgradError: pass\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert not set(result.stdout.split()) & {"this", "antigravity", "os"}


# ---- any text at all

PIECES = [
    *"+-*/%@^~&|<>()[],:.'\"=",
    "**",
    "//",
    "==",
    "!=",
    "<=",
    "...",
    " ",
    "\n",
    "x",
    "y",
    "A",
    "v",
    "n",
    "pi",
    "1",
    "2.5",
    "0",
    "-1",
    "1e300",
    "10**9",
    " if ",
    " else ",
    " and ",
    "not ",
    " where ",
    "s = ",
    "None",
    "True",
    "axis=",
    "keepdims=True",
    '"ij->ji"',
    "x²",
    "λ",
]


def safe(text: str) -> None:
    """Parses, whatever comes; another exception than ours fails the test."""
    with contextlib.suppress(sg.SymgradError):
        sg.parse(text, A="n,n", v="n", k="i64")


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    safe(text)


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_sequence_of_tokens(pieces: list[str]) -> None:
    safe("".join(pieces))


ARGUMENTS = st.sampled_from(
    [
        "x",
        "A",
        "v",
        "k",
        "n",
        "0",
        "1",
        "-1",
        "2.5",
        "10**9",
        "-10**18",
        "[x, 1]",
        "[1, 2]",
        "(1, 0)",
        "()",
        "None",
        "True",
        '"ij->ji"',
        '"fro"',
        "A > 0",
        "v[1:]",
        "A[:, None]",
        "axis=0",
        "axis=-1",
        "axis=(0, 1)",
        "axis=7",
        "keepdims=True",
        "inf",
        "nan",
        "[]",
        "[[x], [v]]",
    ]
)


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(ARGUMENTS, max_size=4))
def test_any_call(name: str, arguments: list[str]) -> None:
    safe(f"{name}({', '.join(arguments)})")


@given(
    st.sampled_from(sorted(METHODS)),
    st.sampled_from(["A", "v", "x", "A[0]", "(v > 0)"]),
    st.lists(ARGUMENTS, max_size=3),
)
def test_any_method(name: str, value: str, arguments: list[str]) -> None:
    safe(f"{value}.{name}({', '.join(arguments)})")
