"""Integer functions that have no instruction: the wrapped power of two int64."""

from __future__ import annotations

_SCALAR_POWER = """\
define internal i64 @vm.ipow.i64.v1(i64 %x, i64 %k) nounwind noinline {
entry:
  %negative = icmp slt i64 %k, 0
  %start = select i1 %negative, i64 0, i64 1
  br label %loop
loop:
  %left = phi i64 [ %k, %entry ], [ %half, %loop ]
  %base = phi i64 [ %x, %entry ], [ %square, %loop ]
  %total = phi i64 [ %start, %entry ], [ %product, %loop ]
  %odd = and i64 %left, 1
  %set = icmp ne i64 %odd, 0
  %more = mul i64 %total, %base
  %product = select i1 %set, i64 %more, i64 %total
  %square = mul i64 %base, %base
  %half = lshr i64 %left, 1
  %done = icmp eq i64 %half, 0
  br i1 %done, label %end, label %loop
end:
  ret i64 %product
}"""


def power(lanes: int) -> str:
    """Defines ``x ** k`` on `lanes` lanes; 0 for a negative exponent.  Definitions are separated by blank lines."""
    if lanes == 1:
        return _SCALAR_POWER
    type_, lines, result = f"<{lanes} x i64>", [], "poison"
    for k in range(lanes):
        lines += [
            f"  %x{k} = extractelement {type_} %x, i64 {k}",
            f"  %k{k} = extractelement {type_} %k, i64 {k}",
            f"  %r{k} = call i64 @vm.ipow.i64.v1(i64 %x{k}, i64 %k{k})",
            f"  %v{k} = insertelement {type_} {result}, i64 %r{k}, i64 {k}",
        ]
        result = f"%v{k}"
    body = "\n".join([*lines, f"  ret {type_} {result}"])
    head = f"define internal {type_} @vm.ipow.i64.v{lanes}({type_} %x, {type_} %k) nounwind"
    return f"{_SCALAR_POWER}\n\n{head} {{\n{body}\n}}"


INTEGER_FUNCTIONS = {"ipow": power}
