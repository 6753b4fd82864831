"""Residuals of bundle adjustment: each sees one camera and one point through index arrays, and so does its Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np

import symgrad as sg

CAMERAS, POINTS, SEEN = 3, 7, 20


def residuals(m: Any, c: Any, p: Any, w: Any, seen: Any) -> list[Any]:
    """Both errors of each observation: rotation (Rodrigues), projection, radial distortion, focal length, centre."""
    r, x = [c[k] for k in range(3)], [p[k] - c[3 + k] for k in range(3)]
    angle = m.sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2])
    cos, sin = m.cos(angle), m.sin(angle)
    axis = [k / angle for k in r]
    dot = (axis[0] * x[0] + axis[1] * x[1] + axis[2] * x[2]) * (1 - cos)
    cross = [axis[1] * x[2] - axis[2] * x[1], axis[2] * x[0] - axis[0] * x[2], axis[0] * x[1] - axis[1] * x[0]]
    y = [x[k] * cos + cross[k] * sin + axis[k] * dot for k in range(3)]
    e = [y[0] / y[2], y[1] / y[2]]
    square = e[0] * e[0] + e[1] * e[1]
    radial = 1 + c[9] * square + c[10] * square * square
    return [w * (e[k] * radial * c[6] + c[7 + k] - seen[k]) for k in range(2)]


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    cameras = rng.normal(size=(CAMERAS, 11)) * 0.3 - np.eye(11)[5] * 5
    camera, point = rng.integers(0, CAMERAS, SEEN), rng.integers(0, POINTS, SEEN)
    return {
        "cameras": cameras, "points": rng.uniform(-1, 1, (POINTS, 3)), "w": rng.uniform(0.5, 1.5, SEEN),
        "camera": camera, "point": point, "seen": rng.normal(size=(SEEN, 2)),
    }  # fmt: skip


def by_complex_steps(values: dict[str, np.ndarray]) -> np.ndarray:
    """The Jacobian in the order cameras, points, w."""
    names = ["cameras", "points", "w"]
    flat = np.concatenate([values[n].ravel() for n in names]).astype(complex)
    columns = []
    for k in range(flat.size):
        z = flat.copy()
        z[k] += 1e-30j
        parts = np.split(z, np.cumsum([values[n].size for n in names])[:-1])
        cameras, points, w = (part.reshape(values[n].shape) for part, n in zip(parts, names, strict=True))
        found = residuals(np, cameras[values["camera"]].T, points[values["point"]].T, w, values["seen"].T)
        columns.append(np.stack(found, axis=1).imag.ravel() * 1e30)
    return np.stack(columns, axis=1)


def test_the_jacobian_is_sparse_and_right() -> None:
    cameras, points, w = sg.tensor("cameras", "c,11"), sg.tensor("points", "p,3"), sg.vector("w", "o")
    camera, point = sg.tensor("camera", "i64[o]"), sg.tensor("point", "i64[o]")
    seen = sg.tensor("seen", "o,2")
    c, p = cameras[camera], points[point]
    both = residuals(sg, [c[:, k] for k in range(11)], [p[:, k] for k in range(3)], w, [seen[:, 0], seen[:, 1]])
    jacobian = sg.compile(sg.stack(both, axis=1).jacobian(("cameras", "points", "w"), sparse=True))
    values = data()
    found = jacobian(**values)
    assert found.nnz == 14 * 2 * SEEN  # 11 + 3 + 1, but each error knows only one coordinate of the centre
    np.testing.assert_allclose(found.toarray(), by_complex_steps(values), rtol=1e-9, atol=1e-11)
    values["camera"] = (values["camera"] + 1) % CAMERAS
    np.testing.assert_allclose(jacobian(**values).toarray(), by_complex_steps(values), rtol=1e-9, atol=1e-11)
