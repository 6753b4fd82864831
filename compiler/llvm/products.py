"""Matrix products in nests: loops where they are small, our own in the middle, BLAS where it pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..blas import GEMM, SMALLEST_GEMM, SMALLEST_PRODUCT
from ..loops import Matrix, Product
from ..types import ArrayType, Dim
from .builder import BYTES, SCALAR, constant
from .counting import Counting
from .gram import gram_declaration, gram_name, gram_product
from .packed import declaration, packed_product, shape

SAME_PLACE, WIDEST = 512, 2560
"""Lines of a matrix that are a multiple of so many bytes apart fall on few places of a first-level cache; the longest
lines of which enough are in it to be read where they stand (measured)."""
OWN = {"gram": (gram_declaration, gram_product), "packed": (declaration, packed_product)}
"""Our own products: the line by which a module knows each, and the module that defines it."""


class Products(Counting):
    """Loops that may be matrix products; `products` are those of our own that are called."""

    def __init__(self, arrays: Mapping[str, ArrayType], written: frozenset[str]) -> None:
        super().__init__(arrays, written)
        self.products: set[tuple[str, str, int]] = set()

    def product(self, step: Product, otherwise: Callable[[], None]) -> None:
        """Branches on the number of multiplications: the steps (`otherwise`), our own products, or a call of gemm."""
        m, n, k = (self.size(stop - start) for start, stop in (step.rows, step.columns, step.inner))
        work = self.emit(f"mul i64 {self.emit(f'mul i64 {m}, {n}')}, {k}")
        with self.branch(self.emit(f"icmp sge i64 {work}, {SMALLEST_PRODUCT}")) as small:
            self.each(step, step.batch, lambda: self.multiply(step, m, n, k, work))
            small()
            otherwise()

    def each(self, step: Product, batch: tuple[tuple[str, Dim, Dim], ...], body: Callable[[], None]) -> None:
        """`body` for all values of the axes `batch`, of which there are a few."""
        if not batch:
            body()
            return
        (axis, start, stop), *rest = batch
        self.open()
        first, last = self.size(start), self.size(stop)
        label = self.start_loop(first, last, 1)
        self.positions[axis], self.steps[axis], self.axis_levels[axis] = f"%i{label}", (), len(self.levels) - 1
        self.each(step, tuple(rest), body)
        del self.positions[axis], self.axis_levels[axis]
        self.end_loop(label, last, 1, 1, first)
        self.close()

    def multiply(self, step: Product, m: str, n: str, k: str, work: str) -> None:
        """One product by BLAS or by packed panels; BLAS wants neighbours along rows or along columns."""
        matrices = (step.target, step.left, step.right)
        if step.symmetric and step.left == _turned(step.right) and step.right.right == step.target.right == 1:
            self.square(step, m, n, k)
            return
        if step.symmetric or not all(1 in (x.down, x.right) for x in matrices):
            self.packed(step, m, n, k)
            return
        large = self.emit(f"icmp sge i64 {work}, {SMALLEST_GEMM}")
        for size in (m, n, k, *(self.size(_leading(x)) for x in matrices)):
            large = self.emit(f"and i1 {large}, {self.emit(f'icmp slt i64 {size}, {2**31}')}")
        with self.branch(large) as medium:
            self.gemm(step, m, n, k)
            medium()
            self.packed(step, m, n, k)

    def square(self, step: Product, m: str, n: str, k: str) -> None:
        """The product of a matrix with itself, read where it stands if its lines fall on many places of a cache."""
        apart = self.size(step.right.down)
        far = self.emit(f"mul i64 {apart}, {BYTES[step.dtype]}")
        kind = self.emit(f"icmp ne i64 {self.emit(f'urem i64 {far}, {SAME_PLACE}')}, 0")
        kind = self.emit(f"and i1 {kind}, {self.emit(f'icmp sle i64 {far}, {WIDEST}')}")
        wide = self.emit(f"icmp sge i64 {m}, {step.lanes}")
        with self.branch(self.emit(f"and i1 {kind}, {wide}")) as other:
            self.products.add(("gram", step.dtype, step.lanes))
            c, x = (self.pointers(y.array, y.index).refs[()] for y in (step.target, step.right))
            places = f"ptr {c}, i64 {self.size(step.target.down)}, ptr {x}, i64 {apart}, {self.scale(step)}"
            name = gram_name(step.dtype, step.lanes)
            self.do(f"call void @{name}({places}, i64 {m}, i64 {k}, i1 {str(step.accumulate).lower()})")
            other()
            self.packed(step, m, n, k)

    def scale(self, step: Product) -> str:
        """The arguments that say by what the lines of the left matrix are scaled."""
        if step.scale is None:
            return "ptr null, i64 0"
        pointer = self.pointers(step.scale.array, step.scale.index).refs[()]
        return f"ptr {pointer}, i64 {self.size(step.scale.down)}"

    def packed(self, step: Product, m: str, n: str, k: str) -> None:
        """The call of the product from packed panels."""
        target, left, right = step.target, step.left, step.right
        if target.right != 1:
            m, n = n, m
            target, left, right = _turned(target), _turned(right), _turned(left)
        self.products.add(("packed", step.dtype, step.lanes))
        c, a, b = (self.pointers(x.array, x.index).refs[()] for x in (target, left, right))
        ai, ap, bp, bj = (self.size(x) for x in (left.down, left.right, right.down, right.right))
        places = f"ptr {c}, i64 {self.size(target.down)}, ptr {a}, i64 {ai}, i64 {ap}, ptr {b}, i64 {bp}, i64 {bj}"
        flags = f"i1 {str(step.accumulate).lower()}, i1 {str(step.symmetric).lower()}"
        name = shape(step.dtype, step.lanes).name("whole")
        self.do(f"call void @{name}({places}, i64 {m}, i64 {n}, i64 {k}, {flags}, {self.scale(step)})")

    def gemm(self, step: Product, m: str, n: str, k: str) -> None:
        """The call, in which every row-major matrix is the transpose of a column-major one."""
        target, left, right = step.target, step.left, step.right
        if target.right != 1:
            m, n = n, m
            target, left, right = _turned(target), _turned(right), _turned(left)
        scalar, row = SCALAR[step.dtype], GEMM[step.dtype]
        name = f"{row.module}.{row.symbol}"
        self.externs[name] = row
        one, beta = (self.allocate(scalar, constant(x, step.dtype)) for x in (1, int(step.accumulate)))
        c, a, b = (self.pointers(x.array, x.index).refs[()] for x in (target, left, right))
        ldc, lda, ldb = (self.integer(self.size(_leading(x))) for x in (target, left, right))
        flags = ["@blas.plain" if x.right == 1 else "@blas.transposed" for x in (right, left)]
        sizes = [self.integer(size) for size in (n, m, k)]
        arguments = [*flags, *sizes, one, b, ldb, a, lda, beta, c, ldc]
        self.do(f'call void @"{name}"({", ".join(f"ptr {x}" for x in arguments)})')

    def integer(self, ref: str) -> str:
        """The address of a 32-bit copy of an i64; a leading size of 0 counts as 1."""
        least = self.emit(f"call i64 @llvm.smax.i64(i64 {ref}, i64 1)")
        return self.allocate("i32", self.emit(f"trunc i64 {least} to i32"))


def _turned(matrix: Matrix) -> Matrix:
    return replace(matrix, down=matrix.right, right=matrix.down)


def _leading(matrix: Matrix) -> Dim:
    """The elements between two of its lines as they lie in memory."""
    return matrix.down if matrix.right == 1 else matrix.right
