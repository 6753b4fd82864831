"""Programs as back-propagation would write them, shared by tests."""

from __future__ import annotations

LOGISTIC = """
program(w: f64[n], X: f64[m, n], y: f64[m], lam: f64)
  z: f64[i < m] = add[k < n] mul(X[i, k], w[k])
  b: f64[i < m] = neg(mul(y[i], z[i]))
  p: f64[i < m] = log1p(exp(b[i]))
  l: f64 = add[i < m] p[i]
  q: f64 = add[k < n] mul(w[k], w[k])
  loss: f64 = add(l[], mul(0.5, lam[], q[]))
  s: f64[i < m] = sigmoid(b[i])
  c: f64[i < m] = neg(mul(y[i], s[i]))
  g: f64[k < n] = add[i < m] mul(X[i, k], c[i])
  grad: f64[k < n] = add(g[k], mul(lam[], w[k]))
  return loss, grad
"""

HESSIAN = """
program(w: f64[n], X: f64[m, n])
  z: f64[i < m] = add[k < n] mul(X[i, k], w[k])
  s: f64[i < m] = sigmoid(z[i])
  d: f64[i < m] = mul(s[i], sub(1.0, s[i]))
  H: f64[a < n, b < n] = add[i < m] mul(X[i, a], d[i], X[i, b])
  return H
"""

NETWORK = """
program(X: f64[m, n], T: f64[m, o], W: f64[n, h], b: f64[h], V: f64[h, o])
  a: f64[i < m, j < h] = add[k < n] mul(X[i, k], W[k, j])
  r: f64[i < m, j < h] = max(add(a[i, j], b[j]), 0.0)
  z: f64[i < m, l < o] = add[j < h] mul(r[i, j], V[j, l])
  e: f64[i < m, l < o] = sub(z[i, l], T[i, l])
  loss: f64 = add[i < m, l < o] mul(e[i, l], e[i, l])
  ez: f64[i < m, l < o] = mul(2.0, e[i, l])
  gV: f64[j < h, l < o] = add[i < m] mul(r[i, j], ez[i, l])
  er: f64[i < m, j < h] = add[l < o] mul(ez[i, l], V[j, l])
  ea: f64[i < m, j < h] = mask(gt(r[i, j], 0.0), er[i, j])
  gb: f64[j < h] = add[i < m] ea[i, j]
  gW: f64[k < n, j < h] = add[i < m] mul(X[i, k], ea[i, j])
  return loss, gW, gb, gV
"""
