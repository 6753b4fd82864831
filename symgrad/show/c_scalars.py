"""The scalar instructions of the index language in C99.

A template has ``{0}``, ``{1}`` for the operands; a row may differ for floats (``f``), integers (``i``) and truth values
(``b``).  Instructions that C99's mathematics does not have, such as Bessel functions, have no row.
"""

from __future__ import annotations

FOLDED = {"add": "+", "mul": "*"}
_SAME = """floor ceil rint trunc sqrt copysign fma exp expm1 exp2 log log1p log2 log10 sin cos tan asin acos atan atan2
sinh cosh tanh asinh acosh atanh erf erfc cbrt hypot fmod isnan isfinite isinf"""
TEMPLATES: dict[str, str] = {
    **{name: f"{name}({{all}})" for name in _SAME.split()},
    "sub": "({0} - {1})", "div": "({0}/{1})", "neg": "(-{0})", "abs.f": "fabs({0})", "abs.i": "llabs({0})",
    "muladd": "({0}*{1} + {2})", "sign.f": "sign_of({0})", "sign.i": "sign_of_integer({0})",
    "min.f": "smaller({0}, {1})", "max.f": "larger({0}, {1})", "min.i": "smaller_integer({0}, {1})",
    "max.i": "larger_integer({0}, {1})", "min.b": "({0} && {1})", "max.b": "({0} || {1})",
    "mod.f": "remainder_of({0}, {1})", "mod.i": "integer_remainder({0}, {1})", "floordiv.f": "floor({0}/{1})",
    "floordiv.i": "integer_quotient({0}, {1})", "eq": "({0} == {1})", "ne": "({0} != {1})", "lt": "({0} < {1})",
    "le": "({0} <= {1})", "gt": "({0} > {1})", "ge": "({0} >= {1})", "and.b": "({0} && {1})", "or.b": "({0} || {1})",
    "and.i": "({0} & {1})", "or.i": "({0} | {1})", "xor": "({0} ^ {1})", "not.b": "(!{0})", "not.i": "(~{0})",
    "where": "({0} ? {1} : {2})", "mask": "({0} ? {1} : 0)", "cast.f64": "((double){0})", "cast.f32": "((float){0})",
    "cast.bool": "({0} != 0)", "cast.i64.f": "to_integer({0})", "cast.i64": "((int64_t){0})", "pow.f": "pow({0}, {1})",
    "pow.i": "integer_power({0}, {1})", "powi.f": "pow({0}, (double){1})", "powi.i": "integer_power({0}, {1})",
    "sigmoid": "sigmoid_of({0})", "softplus": "softplus_of({0})", "logsigmoid": "(-softplus_of(-{0}))",
    "logaddexp": "log_of_sum({0}, {1})", "gammaln": "lgamma({0})", "gamma": "tgamma({0})", "xlogy": "x_log_y({0}, {1})",
    "xlog1py": "x_log1p_y({0}, {1})", "entr": "(-x_log_y({0}, {0}))", "logit": "logit_of({0})",
    "ndtr": "(0.5*erfc(-{0}*0.70710678118654752440))",
}  # fmt: skip
ACCUMULATE = {"add": "{0} += {1}", "mul": "{0} *= {1}"}

DEFINITIONS: dict[str, str] = {
    "sign_of": "static double sign_of(double x) { return isnan(x) ? x : (double)((x > 0) - (x < 0)); }",
    "sign_of_integer": "static int64_t sign_of_integer(int64_t x) { return (x > 0) - (x < 0); }",
    "smaller": "static double smaller(double a, double b) { return (a < b || isnan(a)) ? a : b; }",
    "larger": "static double larger(double a, double b) { return (a > b || isnan(a)) ? a : b; }",
    "smaller_integer": "static int64_t smaller_integer(int64_t a, int64_t b) { return a < b ? a : b; }",
    "larger_integer": "static int64_t larger_integer(int64_t a, int64_t b) { return a > b ? a : b; }",
    "remainder_of": """static double remainder_of(double a, double b) {
    double r = fmod(a, b);
    return r == 0 ? copysign(0, b) : ((r < 0) != (b < 0)) ? r + b : r;
}""",
    "integer_quotient": """static int64_t integer_quotient(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    return a/b - (a % b != 0 && (a < 0) != (b < 0));
}""",
    "integer_remainder": """static int64_t integer_remainder(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}""",
    "to_integer": """static int64_t to_integer(double x) {
    if (isnan(x)) return 0;
    if (x >= 9223372036854775808.0) return INT64_MAX;
    return x < -9223372036854775808.0 ? INT64_MIN : (int64_t)x;
}""",
    "integer_power": """static int64_t integer_power(int64_t x, int64_t n) {
    uint64_t result = 1, square = (uint64_t)x;
    for (; n > 0; n >>= 1, square *= square) if (n & 1) result *= square;
    return (int64_t)result;
}""",
    "sigmoid_of": """static double sigmoid_of(double x) {
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1)/(1 + e);
}""",
    "softplus_of": """static double softplus_of(double x) {
    return (x > 0 || isnan(x) ? x : 0) + log1p(exp(-fabs(x)));
}""",
    "log_of_sum": """static double log_of_sum(double a, double b) {
    if (a == b) return a + 0.69314718055994530942;
    return (a > b || isnan(a) ? a : b) + log1p(exp(-fabs(a - b)));
}""",
    "x_log_y": "static double x_log_y(double x, double y) { return x == 0 && !isnan(y) ? 0 : x*log(y); }",
    "x_log1p_y": "static double x_log1p_y(double x, double y) { return x == 0 && !isnan(y) ? 0 : x*log1p(y); }",
    "logit_of": "static double logit_of(double x) { return log(x) - log1p(-x); }",
}

_WORDS = """auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true
false main malloc free memset INFINITY NAN NULL int64_t uint64_t size_t pow fabs llabs lgamma tgamma"""
RESERVED = frozenset(_WORDS.split()) | frozenset(_SAME.split()) | frozenset(DEFINITIONS)
