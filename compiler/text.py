"""Programs as text: `print_program` writes one, `reader.read_program` reads it back to an equal Program.

    program(X: f64[m, n], k: i64[m])
      s: f64[i < m] = add[j < n] mul(X[i, j], 2.0)
      t: f64[p] = scatter add[i < m] at [k[i]] of s[i]
      u: f64[p], v: i64[p] = extern order(1, "stable") of (t)
      loop n while go                            (or: loop n reverse)
        carry h: f64[p] from u to last next h2
        slice x: f64[m] of X
        stack y to ys
        h2: f64[i < p] = mul(h[i], 0.5)
      end
      return s, last

A bare name is the value of an axis, ``h[]`` an element of a scalar, ``size(m*n)`` the number of a size; a constant is
f64 with a point or exponent, i64 without, ``1.5:f32`` when f32.
"""

from __future__ import annotations

from .index import Assign, AxisValue, Call, Const, Expr, Extern, Load, Loop, Program, Reduce, SizeValue, Statement


def print_program(program: Program) -> str:
    """The text of `program`, one statement per line."""
    head = ", ".join(f"{name}: {type_}" for name, type_ in program.inputs)
    sizes = f" sizes({', '.join(program.sizes)})" if program.sizes else ""
    lines = [f"program({head}){sizes}"]
    for statement in program.statements:
        lines += _statement(statement, "  ")
    return "\n".join([*lines, f"  return {', '.join(program.outputs)}", ""])


def _statement(statement: Statement, pad: str) -> list[str]:
    match statement:
        case Assign():
            return [pad + print_assign(statement)]
        case Extern():
            targets = ", ".join(f"{name}: {type_}" for name, type_ in statement.targets)
            params = ", ".join(_param(p) for p in statement.params)
            return [f"{pad}{targets} = extern {statement.function}({params}) of ({', '.join(statement.inputs)})"]
        case Loop():
            return _loop(statement, pad)


def _param(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _loop(loop: Loop, pad: str) -> list[str]:
    types = dict(loop.body.inputs)
    flags = " reverse" * loop.reverse + (f" while {loop.condition}" if loop.condition else "")
    lines = [f"{pad}loop {loop.length}{flags}"]
    for (name, start, end), after in zip(loop.carried, loop.next, strict=True):
        lines.append(f"{pad}  carry {name}: {types[name]} from {start} to {end} next {after}")
    lines += [f"{pad}  slice {name}: {types[name]} of {array}" for name, array in loop.sliced]
    lines += [f"{pad}  stack {name} to {array}" for name, array in loop.stacked]
    for statement in loop.body.statements:
        lines += _statement(statement, pad + "  ")
    return [*lines, f"{pad}end"]


def print_assign(statement: Assign) -> str:
    """One line for an Assign."""
    axes = ", ".join(f"{axis.name} < {axis.size}" for axis in statement.axes)
    value = print_expr(statement.value)
    if statement.at is None:
        shape = f"[{axes}]" if axes else ""
        return f"{statement.target}: {statement.type.dtype}{shape} = {value}"
    at = ", ".join(map(print_expr, statement.at))
    op = statement.accumulate or "last"
    return f"{statement.target}: {statement.type} = scatter {op}[{axes}] at [{at}] of {value}"


def print_expr(expr: Expr | Reduce) -> str:
    """The text of an expression or a reduction."""
    match expr:
        case Const(value, dtype):
            return _constant(value, dtype)
        case AxisValue(name):
            return name
        case SizeValue(size):
            return f"size({size})"
        case Load(array, index):
            return f"{array}[{', '.join(map(print_expr, index))}]"
        case Call(op, args):
            return f"{op}({', '.join(map(print_expr, args))})"
        case Reduce(op, axes, body):
            return f"{op}[{', '.join(f'{axis.name} < {axis.size}' for axis in axes)}] {print_expr(body)}"


def _constant(value: float | int | bool, dtype: str) -> str:
    if dtype == "bool":
        return "true" if value else "false"
    if dtype == "i64":
        return str(int(value))
    return repr(float(value)) + (":f32" if dtype == "f32" else "")
