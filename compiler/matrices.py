"""Matrix products in programs.

``C[b, i, j] = sum_k A[b, i, k] B[b, k, j]`` with the axes of each array in any order, any number of batch axes b (each
in the result and in one or both of the factors), and whole arrays or parts of them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from .affine import MARK, polynomial, within
from .alignment import all_axes, loads
from .index import Assign, AxisValue, Call, Load, Reduce
from .records import record
from .substitution import mentions, substituted
from .types import ArrayType, Dim, Size, is_float, names


@record(frozen=True, slots=True)
class MatrixProduct:
    """The axes of a product by their roles; `left` and `right` are the loads with the row and the column axis.

    The result is `symmetric` where the left matrix is the right one, or is it scaled along the inner axis (``X.T @
    diag(d) @ X``); then `scale` may be the load of those factors, which are in neither.
    """

    row: str
    column: str
    inner: str
    batch: tuple[str, ...]
    left: Load
    right: Load
    symmetric: bool = False
    scale: Load | None = None


def matrix_product(
    statement: Assign, arrays: Mapping[str, ArrayType], unrolled: frozenset[str]
) -> MatrixProduct | None:
    """How `statement` is a product of two matrices, None if it is none."""
    value, dtype = statement.value, statement.type.dtype
    if not isinstance(value, Reduce) or value.op != "add" or statement.at is not None or not is_float(dtype):
        return None
    if len(value.axes) != 1 or not unrolled.isdisjoint(axis.name for axis in all_axes(statement)):
        return None
    scale: Load | None = None
    match value.body:
        case Call("mul", (Load() as left, Load() as right)):
            pass
        case Call("mul", (Load(_, (AxisValue(only),)) as scale, Load() as left, Load() as right)):
            if only != value.axes[0].name or not _is_scaled_square(left, right, only):
                return None
        case _:
            return None
    sizes = {axis.name: axis.size for axis in all_axes(statement)}
    found = [axes_of(load, sizes) for load in (left, right)]
    inner = value.axes[0].name
    if any(axes is None or inner not in axes for axes in found):
        return None
    if any(arrays[load.array].dtype != dtype for load in (left, right)):
        return None
    first, second = (set(axes or ()) for axes in found)
    out = [axis.name for axis in statement.axes]
    if first | second != {inner, *out} or not all(_is_inside(load, arrays, sizes) for load in (left, right)):
        return None
    rows, columns = [a for a in out if a not in second], [a for a in out if a not in first]
    if rows and out[-1] == rows[-1]:
        left, right, rows, columns = right, left, columns, rows
    if not rows or not columns or out[-1] != columns[-1]:
        return None
    # Among several rows the products with the longest columns are the best: sizes with names count as long.
    row = max(rows, key=lambda axis: (isinstance(sizes[axis], Size), rows.index(axis)))
    column = columns[-1]
    batch = tuple(a for a in out if a not in (row, column))
    return MatrixProduct(row, column, inner, batch, left, right, scale is not None, scale)


def _is_scaled_square(left: Load, right: Load, inner: str) -> bool:
    """Whether both are one matrix with its lines along `inner`, of which neighbours are neighbours in memory."""
    return (
        left.array == right.array
        and len(left.index) == 2
        and left.index[0] == right.index[0] == AxisValue(inner)
        and all(isinstance(load.index[1], AxisValue) for load in (left, right))
        and left.index[1] != right.index[1]
    )


def with_scales(
    statements: Sequence[Assign],
    arrays: Mapping[str, ArrayType],
    unrolled: frozenset[str],
    needed: Container[str],
    inner: str,
) -> list[Assign]:
    """`statements` with symmetric products over `inner` (any axis if '') of a matrix and the same with scaled lines
    written as three factors, where nothing else needs the scaled one: it is scaled as the product reads it.
    """
    makers = {s.target: s for s in statements if s.at is None}
    reads = [load.array for s in statements for load in loads(s)]
    result: list[Assign] = []
    gone: set[str] = set()
    for statement in statements:
        product = matrix_product(statement, arrays, unrolled)
        if product is not None and not product.batch and inner in ("", product.inner):
            for scaled, other in ((product.left, product.right), (product.right, product.left)):
                found = _unscaled(scaled, other, product.inner, makers.get(scaled.array))
                if found is not None and reads.count(scaled.array) == 1 and scaled.array not in needed:
                    assert isinstance(statement.value, Reduce)
                    statement = replace(statement, value=replace(statement.value, body=Call("mul", (*found, other))))
                    gone.add(scaled.array)
                    break
        result.append(statement)
    return [statement for statement in result if statement.target not in gone]


def _unscaled(scaled: Load, other: Load, inner: str, maker: Assign | None) -> tuple[Load, Load] | None:
    """The factors and the matrix of which `scaled` is the product, if the matrix is that of `other`."""
    match maker:
        case Assign(axes=axes, value=Call("mul", (one, two))):
            names = dict(zip((own.name for own in axes), scaled.index, strict=True))
            first, second = (substituted(factor, names) for factor in (one, two))
            for scale, matrix in ((first, second), (second, first)):
                own = isinstance(scale, Load) and scale.index == (AxisValue(inner),)
                if own and isinstance(matrix, Load) and _is_scaled_square(matrix, other, inner):
                    assert isinstance(scale, Load)
                    return scale, matrix
        case _:
            pass
    return None


def _is_inside(load: Load, arrays: Mapping[str, ArrayType], sizes: Mapping[str, Dim]) -> bool:
    """Whether every index is known to be within the array: products are not checked when they run."""
    places = [polynomial(part, sizes) for part in load.index]
    return all(p is not None and within(p, n, sizes) for p, n in zip(places, arrays[load.array].shape, strict=True))


def axes_of(load: Load, sizes: Mapping[str, Dim]) -> list[str] | None:
    """The axes along which a load runs, if each of its indices is an axis plus what does not change, or such alone."""
    found: list[str] = []
    for part in load.index:
        own = polynomial(part, sizes)
        if own is None:
            return None
        axes = [name.removeprefix(MARK) for name in names(own) if name.startswith(MARK)]
        if axes and (len(axes) > 1 or axes[0] in found or not _plain(own, axes[0])):
            return None
        found += axes
    return found


def _plain(index: Dim, axis: str) -> bool:
    """Whether `index` is `axis` plus what does not depend on it."""
    assert isinstance(index, Size)
    return [c for monomial, c in index.terms if any(atom == MARK + axis for atom, _ in monomial)] == [1] and (
        (((MARK + axis, 1),), 1) in index.terms
    )


def is_symmetric(product: MatrixProduct, makers: Mapping[str, Assign]) -> bool:
    """Whether the product equals its transpose; `makers` are the statements that define arrays."""
    if product.scale is not None:
        return True
    for one, other in ((product.left, product.right), (product.right, product.left)):
        axis = product.row if one is product.left else product.column
        side = product.column if one is product.left else product.row
        turned = tuple(AxisValue(axis) if part == AxisValue(side) else part for part in other.index)
        if one == Load(other.array, turned):
            return True
        match makers.get(one.array):
            case Assign(axes=axes, value=Call("mul", factors)):
                names = dict(zip((own.name for own in axes), one.index, strict=True))
                moved = [substituted(factor, names) for factor in factors]
                if moved.count(Load(other.array, turned)) == 1 and all(
                    factor == Load(other.array, turned) or not mentions(factor, {axis}) for factor in moved
                ):
                    return True
            case _:
                pass
    return False
