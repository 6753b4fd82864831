# ruff: noqa: E501  (formulas are read in lines)
"""More naive formulas, as people write them in their own fields: other names, orders of terms, factors, nested in larger
expressions.  `formulas` holds the first table."""

from __future__ import annotations

from typing import Any

P = dict[str, Any]


def along(name: str, *numbers: float) -> tuple[P, ...]:
    """Points of one variable."""
    return tuple({name: v} for v in numbers)


FAR = (-750.0, -38.0, -0.9, 1e-12, 2.0, 41.0, 720.0)
HALF = (1e-15, 3e-6, 0.2, 3.0, 45.0, 700.0)
NEAR = (1e-16, -2e-8, 4e-4, 0.35, -0.8)
GROWING = (2e-7, 0.9, 250.0, 3e7, 2e13)

SPELLINGS: dict[str, tuple[tuple[P, ...], tuple[str, ...]]] = {
    "logistic, other spellings": (along("t", *FAR), (
        "-log(1/(1 + exp(-t)))", "1 - 1/(1 + exp(-t))", "log(1 - 1/(1 + exp(-t)))", "3*log(1 + exp(t)) + t", "2 - 2/(1 + exp(-t))", "exp(-t)/(exp(-t) + 1)",
        "log(exp(-t)/(1 + exp(-t)))", "(1/(1 + exp(-t)))*(1 - 1/(1 + exp(-t)))", "exp(t)/((1 + exp(t))*(1 + exp(t)))", "log(1 + exp(3*t - 1))/3", "log(4 + 4*exp(-t)) - log(4)",
        "0.5 + 0.5*tanh(t/2)", "0.5 - 0.5*tanh(t/2)", "(1 + tanh(t))/2", "1/(1 + exp(2*t))", "sqrt(1/(1 + exp(-t)))", "log(sqrt(1 + exp(2*t)))", "t - log(exp(t) + 1)", "log(1/(1 + exp(-t))) - log(1 - 1/(1 + exp(-t)))",
        "t*(1/(1 + exp(-t)))", "(exp(t) - 1)/(exp(t) + 1)", "(exp(t)/(1 + exp(t)))**2", "1/(1 + exp(t)) + 1/(1 + exp(-t))", "1/(1 + exp(-t))**2", "-log(1 - 1/(1 + exp(-t)))", "log(1 + 1/(exp(t)))", "1/(exp(t/2) + exp(-t/2))**2",
        "exp(-log(1 + exp(-t)))", "log(1 + exp(t)) - t/2", "1 - exp(t)/(exp(t) + 1)")),
    "hyperbolic, other spellings": (along("u", *FAR), (
        "(exp(2*u) - 1)/(exp(2*u) + 1)", "(exp(u) - exp(-u))/(exp(-u) + exp(u))", "1 - 2*exp(-2*u)/(1 + exp(-2*u))", "4/(exp(-u) + exp(u))**2", "1 - ((exp(u) - exp(-u))/(exp(u) + exp(-u)))**2", "log((exp(-u) + exp(u))/2)",
        "log(2*cosh(u))", "log(1 + exp(-2*u)) + u", "tanh(log(1 + exp(u)))", "1/(cosh(u)*cosh(u))", "sinh(u)/(1 + cosh(u))", "tanh(u)**2 - 1", "log(1 - tanh(u)**2)", "log(1 + tanh(u))", "exp(-2*u)/(1 + exp(-2*u))",
        "(1 - tanh(u))/(1 + tanh(u))")),
    "growth and decay": (along("z", *NEAR), (
        "(1 - exp(-z))/z", "1 - exp(-3*z)", "100*(exp(z) - 1)", "z/(1 - exp(-z))", "exp(2*z) - 2*exp(z) + 1", "(exp(z) - 1)/(exp(2*z) - 1)", "exp(3*z) - exp(z)", "(exp(z) - 1)/z - 1", "z*exp(z)/(exp(z) - 1)", "1 - 2*exp(-z) + exp(-2*z)",
        "(exp(z) + exp(-z))/2 - 1", "exp(z)*(1 - exp(-z))", "1/(1 - exp(-z)) - 1/z", "1 - (1 - z)*exp(z)", "(1 + z)*exp(-z) - 1", "exp(-z) - 1 + z", "log(1 + z) - z + z**2/2", "2*(z - log(1 + z))/z**2",
        "log((1 + z)/(1 - z))/2", "log(1 + z)/log(2)", "sqrt(1 + 2*z) - 1", "(1 + z)**(1/12) - 1", "1/(1 - z) - 1", "log(1 + z**2/3)", "1/sqrt(1 - z) - 1", "(1 - sqrt(1 - z))/z", "z/(1 + sqrt(1 - z))", "z/(sqrt(1 + z) - 1)")),
    "Langevin, Debye, Einstein": (along("x", 1e-10, 2e-4, 0.1, 4.0, 60.0, 900.0), (
        "cosh(x)/sinh(x) - 1/x", "1/tanh(x) - 1/x", "x**3/(exp(x) - 1)", "x**2*exp(x)/(exp(x) - 1)**2", "1/(exp(x) - 1)", "1/(exp(x) + 1)", "log(1 - exp(-x))", "x/(exp(x) - 1) - log(1 - exp(-x))", "1/(exp(x) - 1) + 0.5", "x**4*exp(x)/(exp(x) - 1)**2",
        "exp(-x)/(1 - exp(-x))", "(exp(x) + 1)/(exp(x) - 1)", "(x/2/sinh(x/2))**2", "1/(1 - exp(-x))", "log(sinh(x)/x)")),
    "roots, other spellings": (along("r", *GROWING), (
        "sqrt(1 + r) - sqrt(r)", "sqrt(r + 1)/sqrt(r) - 1", "sqrt(r**2 + 4) - r", "r - sqrt(r*r + 2)", "1/(sqrt(r + 1) - sqrt(r))", "r/sqrt(r**2 + 1)", "1 - r/sqrt(1 + r**2)", "sqrt(r**2 + 1)/r - 1", "(sqrt(r**2 + 1) - r)**2", "2*(sqrt(r + 1) - sqrt(r))*sqrt(r)", "log(r + sqrt(r**2 + 1))",
        "r**2*(sqrt(1 + 1/r**2) - 1)", "1/r - 1/sqrt(r**2 + 1)", "log(1 + r) - log(r)", "1/(1 + r) - 1/r", "r*log(1 + 1/r)", "1 - r/(1 + r)", "log(r + 3) - log(r)", "arctan(r) - pi/2")),
    "small angles": (along("q", 1e-14, -3e-7, 0.02, 1.0), (
        "1 - cos(q)", "2 - 2*cos(q)", "(1 - cos(q))/q**2", "sin(q)/q - 1", "1 - cos(q)**2", "(q - sin(q))/q**3", "(1 - cos(2*q))/2", "cos(q)**2 - 1", "q*q/2 + cos(q) - 1", "1/cos(q) - 1", "tan(q)/q", "1 - sin(q)/q", "cos(q) - cos(3*q)", "q - tan(q)", "(tan(q) - q)/q**3", "sin(q)**2/q", "sqrt(2 - 2*cos(q))", "q/sin(q) - 1", "(1 - cos(q))/sin(q)",
        "sin(q + 1) - sin(1.0)*cos(q)", "arcsin(q) - q", "q/2/tan(q/2)")),
    "error function": (along("z", -28.0, -6.0, -0.4, 1e-10, 2.0, 7.0, 26.0), (
        "1 - erf(z)", "log(1 - erf(z))", "log(0.5*(1 + erf(z/sqrt(2))))", "0.5*(1 - erf(-z/sqrt(2)))", "0.5 + 0.5*erf(z/sqrt(2))", "1 - 0.5*erfc(-z)", "log(erfc(-z)/2)", "log(1 - 0.5*(1 + erf(z/sqrt(2))))", "erf(z) - 1", "exp(-z**2/2)/(sqrt(2*pi)*(1 - 0.5*(1 + erf(z/sqrt(2)))))", "exp(-z*z)/(1 - erf(z))", "(1 + erf(z))/2", "log(1 + erf(z))", "z*0.5*(1 + erf(z/sqrt(2)))",
        "z*ndtr(z) + exp(-z**2/2)/sqrt(2*pi)")),
    "one variable in fractions": (along("s", 1e-180, 1e-20, 0.7, 1e20, 1e180), (
        "s/(1 + s)", "s**2/(4 + s**2)", "1/(1 + s**2)", "s/(1 + s**2)", "1/(1 + s*s)**2", "s**4/(1 + s**4)", "s/sqrt(2 + s**2)", "1 - s**2/(1 + s**2)", "log(4 + s**2)", "sqrt(s**2 + 5)", "s**3/(1 + s**3)", "1 - 1/(1 + s**2)", "(1 - s**2)/(1 + s**2)", "2*s/(1 + s**2)", "(1 + s**2)**-0.5", "(1 + s**2)**0.25", "(1 + s**2)**1.5/(1 + s**2)")),
    "logsumexp, other spellings": (({"a": 900.0, "b": 901.0, "c": -20.0}, {"a": -900.0, "b": -902.0, "c": -900.5}, {"a": 0.1, "b": 0.2, "c": -50.0}, {"a": 3.0, "b": 3.0, "c": 3.0}), (
        "log(exp(a) + exp(b) + exp(c))", "exp(a)/(exp(a) + exp(b) + exp(c))", "log(exp(a)/(exp(a) + exp(b) + exp(c)))", "log(exp(a) + exp(b) + exp(c)) - a", "log((exp(a) + exp(b) + exp(c))/3)", "log(2*exp(a) + 3*exp(b) + exp(c))", "log(1 + exp(a) + exp(b))", "(a*exp(a) + b*exp(b) + c*exp(c))/(exp(a) + exp(b) + exp(c))",
        "log(exp(a + b) + exp(c))", "(exp(a) + exp(b))/(exp(a) + exp(b) + exp(c))", "1 - exp(a)/(exp(a) + exp(b))", "log(exp(a) + exp(b)) - log(2)", "exp(b)*exp(-log(exp(a) + exp(b)))", "log(exp(-a) + exp(-b))", "-log(exp(-2*a) + exp(-2*b))/2", "(exp(a) - exp(b))/(exp(b) + exp(a))",
        "log(0.25*exp(a) + 0.75*exp(b))", "log(exp(a)*(1 + exp(b - a)))", "exp(a - log(exp(a) + exp(b)))")),
    "softmax, other spellings": (({"z": [800.0, 790.0, -30.0]}, {"z": [-700.0, -701.0, -705.0]}, {"z": [0.2, -0.1, 0.6]}, {"z": [40.0, 0.0, -40.0]}), (
        "log(sum(exp(z))) - z[1]", "-log(exp(z[0])/sum(exp(z)))", "z[2] - log(sum(exp(z)))", "exp(z[0])/sum(exp(z))", "sum((exp(z)/sum(exp(z)))**2)", "-sum(exp(z)/sum(exp(z))*log(exp(z)/sum(exp(z))))", "log(sum(exp(z)**2))", "log(sum(exp(z)/4))", "log(sum(exp(z))) - mean(z)", "log(sum(exp(z - z[0])))",
        "1 - exp(z[0])/sum(exp(z))", "log(sum(exp(z))/exp(z[0]))", "mean(log(1 + exp(z)))", "sum(z*exp(z))/sum(exp(z))", "log(sum(exp(0.5*z)))*2", "log(sum(exp(z)*exp(2.0)))")),
    "binary losses": (({"z": [-700.0, 30.0, 2.0], "y": [1.0, 0.0, 1.0]}, {"z": [1e-8, 800.0, -40.0], "y": [1.0, 1.0, 0.0]}, {"z": [0.5, -0.5, 1.5], "y": [0.2, 0.9, 0.0]}), (
        "sum(-y*log(1/(1 + exp(-z))) - (1 - y)*log(1 - 1/(1 + exp(-z))))", "mean(log(1 + exp(z)) - y*z)", "sum(log(1 + exp((1 - 2*y)*z)))", "-mean(y*log(sigmoid(z)) + (1 - y)*log(1 - sigmoid(z)))", "sum((1 - sigmoid(z))**2*log(sigmoid(z)))", "sum(y*log(1 + exp(-z)) + (1 - y)*(z + log(1 + exp(-z))))", "-sum(log(y*sigmoid(z) + (1 - y)*(1 - sigmoid(z))))",
        "sum((sigmoid(z) - y)**2)")),
    "spread": (({"v": [5e7 + 2, 5e7 - 1, 5e7 + 3, 5e7]}, {"v": [0.1, 0.5, -0.2, 3.0]}, {"v": [1e3, 1e3 + 1e-6, 1e3 - 1e-6, 1e3]}), (
        "mean(v**2) - mean(v)**2", "sum(v**2)/4 - (sum(v)/4)**2", "(sum(v**2) - sum(v)**2/4)/3", "sqrt((sum(v*v) - 4*mean(v)**2)/3)", "log(mean(v**2) - mean(v)**2)", "mean((v - mean(v))**2)", "sum((v - mean(v))**2)/3", "dot(v, v)/4 - mean(v)**2")),
    "lengths": (({"a": 2e-170, "b": 3e-170}, {"a": 4e180, "b": 3e180}, {"a": 1.0, "b": 1e-9}, {"a": 1e9, "b": 3.0}), (
        "sqrt(a**2 + b**2)", "a/sqrt(a**2 + b**2)", "(a*a + b*b)**0.5", "log(a**2 + b**2)", "a**2/(a**2 + b**2)", "a*b/(a**2 + b**2)", "arctan2(b, a)", "arctan(b/a)", "sqrt(2*a**2 + 3*b**2)", "sqrt(a**2 + b**2)/b", "log(sqrt(a*a + b*b))", "1/(1/a + 1/b)", "a*b/(a + b)", "(a - b)/(a + b)", "(a**2 - b**2)/(a**2 + b**2)")),
    "legs": (({"a": 1e8, "b": 2.0}, {"a": 3.0, "b": 1e-8}, {"a": 1.0, "b": 1.0}), ("sqrt(a**2 + b**2) - a", "a - sqrt(a**2 - b**2/4)", "log(a) - log(a + b)", "log(a) - log(b)", "1/a - 1/(a + b)", "sqrt(a + b) - sqrt(a)", "(a + b)**2 - a**2", "a/(a + b)", "1 - a/(a + b)", "(a + b)**3 - a**3", "(a + b)**0.75 - a**0.75", "log(1 + b/a)", "sqrt(a**2 + b) - a", "(a + b)/a - 1")),
    "vectors": (({"p": [1e150, 2e160, -3e160], "q": [2e160, 1e150, 1e160]}, {"p": [1e-165, 2e-165, 0.5e-165], "q": [3e-165, 1e-165, -2e-165]}, {"p": [1.0, 2.0, 3.0], "q": [-1.0, 0.5, 2.0]}), (
        "dot(p, q)/(sqrt(sum(p**2))*sqrt(sum(q**2)))", "sqrt(sum((p - q)**2))", "sum(p*q)/(norm(p)*norm(q))", "sum(p/sqrt(sum(p**2)))", "log(norm(p))", "norm(p - q)/norm(q)")),
    "divergences": (({"p": 0.3, "q": 0.3000001}, {"p": 1e-9, "q": 2e-9}, {"p": 0.999999, "q": 0.5}, {"p": 0.5, "q": 1e-15}), (
        "p*log(p/q) + (1 - p)*log((1 - p)/(1 - q))", "p*log(p) + (1 - p)*log(1 - p)", "p*(log(p) - log(q)) + (1 - p)*(log(1 - p) - log(1 - q))", "(sqrt(p) - sqrt(q))**2", "0.5*p*log(p/((p + q)/2)) + 0.5*q*log(q/((p + q)/2))", "p/q - log(p/q) - 1", "log(p/(1 - p))", "log(p/(1 - p)) - log(q/(1 - q))", "p*log(p/q) - p + q")),
    "likelihoods of counts": (({"k": 3.0, "m": 1e-12}, {"k": 40.0, "m": 37.0}, {"k": 2.0, "m": 500.0}, {"k": 1e5, "m": 1e5 + 3}), ("k*log(m) - m - gammaln(k + 1)", "log(m**k*exp(-m))", "k*log(m/(k + m)) - 5*log(1 + m/k)", "k*log(m) - k*log(1 + m)", "(k + 2)*log(1 + m/k)", "-k*log(1 + 1/m)", "log(exp(-m)*m**2/2)", "k*log(k/m) - (k - m)")),
    "likelihoods of reals": (({"x": 30.0, "m": 1.0, "s": 0.5}, {"x": 5e7 + 1, "m": 5e7, "s": 3.0}, {"x": 0.3, "m": 0.29999, "s": 1e-4}), (
        "-0.5*((x - m)/s)**2 - log(s*sqrt(2*pi))", "log(exp(-(x - m)**2/(2*s**2))/sqrt(2*pi*s**2))", "-0.5*log(2*pi*s**2) - (x - m)**2/(2*s**2)", "-3*log(1 + ((x - m)/s)**2/5)", "log(1/(pi*s*(1 + ((x - m)/s)**2)))", "log(exp(-(x - m)/s)/(s*(1 + exp(-(x - m)/s))**2))", "-(x - m)/s - exp(-(x - m)/s) - log(s)", "log(exp(-abs(x - m)/s)/(2*s))", "log(1 + exp(-(x - m)/s))", "sqrt(1 + ((x - m)/s)**2) - 1",
        "s**2*(sqrt(1 + ((x - m)/s)**2) - 1)", "1/(1 + exp(-(x - m)/s))")),
    "likelihoods on the half line": (({"x": 1e-10, "a": 2.0, "b": 3.0}, {"x": 0.9999999, "a": 5.0, "b": 0.5}, {"x": 0.4, "a": 1.0, "b": 1.0}), (
        "(a - 1)*log(x) + (b - 1)*log(1 - x)", "log(x**(a - 1)*(1 - x)**(b - 1))", "a*log(b) - gammaln(a) + (a - 1)*log(x) - b*x", "log(1 - (1 - x)**b)", "log(a) + log(b) + (a - 1)*log(x) + (b - 1)*log(1 - x**a)", "1 - exp(-(x/b)**a)", "log(a/b*(x/b)**(a - 1)*exp(-(x/b)**a))", "-log(x) - log(1 - x) - (log(x/(1 - x)) - a)**2/(2*b**2)", "gammaln(a + b) - gammaln(a) - gammaln(b)")),
    "von Mises": (({"t": 1e-9, "m": 0.0, "k": 1e4}, {"t": 0.5, "m": 0.4999999, "k": 2.0}, {"t": 3.0, "m": 1.0, "k": 0.1}), ("k*cos(t - m) - k", "k*(cos(t - m) - 1)", "exp(k*cos(t - m))/exp(k)", "log(exp(k*cos(t - m))*exp(-k))")),
    "on the sphere": (({"f": 0.8, "g": 0.8000001, "d": 1e-7}, {"f": 0.5, "g": -0.3, "d": 1.0}, {"f": 1e-9, "g": 2e-9, "d": 3e-9}), (
        "sin((f - g)/2)**2 + cos(f)*cos(g)*sin(d/2)**2", "2*arcsin(sqrt(sin((f - g)/2)**2 + cos(f)*cos(g)*sin(d/2)**2))", "(1 - cos(f - g))/2 + cos(f)*cos(g)*(1 - cos(d))/2", "1 - cos(d)*cos(f - g)", "sin(f) - sin(g)", "cos(g) - cos(f)")),
    "physics": (({"n": 1e-8, "t": 300.0}, {"n": 2.0, "t": 0.001}, {"n": 0.5, "t": 2.0}, {"n": 900.0, "t": 1.0}), (
        "1/(exp(n/t) - 1)", "1/(exp(n/t) + 1)", "n**3/(exp(n/t) - 1)", "t*log(1 + exp(-n/t))", "-t*log(1 - exp(-n/t))", "n/(t + n)", "1 - exp(-n/t)", "t*(1 - exp(-n/t))", "(1 - exp(-n/t))/(n/t)", "n*exp(-n/t)/(1 - exp(-n/t))", "sqrt(n**2 + t**2) - t", "tanh(n/t)/n", "exp(-n/t)/(1 + exp(-n/t))**2/t", "t/n*(1 - exp(-n/t))")),
    "relativity": (along("v", 1e-12, 1e-5, 0.3, 0.999999), ("1/sqrt(1 - v**2) - 1", "1/sqrt(1 - v*v)", "v/sqrt(1 - v**2)", "sqrt((1 + v)/(1 - v)) - 1", "0.5*log((1 + v)/(1 - v))", "1 - sqrt(1 - v**2)", "(1 - sqrt(1 - v**2))/v", "log(1/sqrt(1 - v**2))", "sqrt((1 - v)/(1 + v))", "1/(1 - v**2) - 1")),
    "money": (({"i": 1e-11, "n": 120.0}, {"i": 0.004, "n": 360.0}, {"i": -1e-5, "n": 1e6}), ("(1 + i)**n", "((1 + i)**n - 1)/i", "(1 + i)**n - 1", "n*log(1 + i)", "exp(n*log(1 + i)) - 1", "(1 + i/12)**12 - 1", "1 - (1 + i)**(-n)", "i*(1 + i)**n/((1 + i)**n - 1)", "log(1 + i*n)/log(1 + i)", "exp(i*n) - 1", "(exp(i*n) - 1)/i", "1/(1 + i)**n")),
    "options": (({"S": 100.0, "K": 100.0, "v": 0.2}, {"S": 50.0, "K": 200.0, "v": 0.15}, {"S": 1.0, "K": 1.0000001, "v": 1e-3}), ("log(S/K)", "(log(S/K) + v**2/2)/v", "S*ndtr((log(S/K) + v**2/2)/v) - K*ndtr((log(S/K) - v**2/2)/v)", "log(S) - log(K)", "0.5*(1 + erf((log(S/K) + v**2/2)/v/sqrt(2)))")),
    "rates": (({"S": 1e-200, "K": 2.0, "n": 4.0}, {"S": 1e60, "K": 2.0, "n": 4.0}, {"S": 3.0, "K": 3.0, "n": 2.0}), ("S/(K + S)", "S**n/(K**n + S**n)", "1/(1 + (K/S)**n)", "S/(K + S) - 1", "K/(K + S)", "log(S/(K + S))", "1 - S/(K + S)", "S/(K + S + S**2/5)")),
}  # fmt: skip
