"""Nodes on a path that keep all earlier ones: Gauss with 3, then Patterson's 7, 15, 31 and 63.

Each rule adds ``n + 1`` nodes to the ``n`` before (T. N. L. Patterson 1968, "The optimum addition
of points to quadrature formulae"): the new ones are the zeros of the polynomial E of degree
``n + 1`` for which ``G E`` is orthogonal to every polynomial of degree ``n`` or less, where G
vanishes at the old nodes. A rule of n nodes is exact up to degree ``(3 n + 1) / 2``, and two
successive maps share half of their gradients.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import legendre

from app.core.arrays import Floats

NESTED_COUNTS = (3, 7, 15, 31, 63)


@cache
def nested_rule(count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes on 0..1, in rising order, and their weights.

    A node of a smaller rule is, bit for bit, among the nodes of a larger one.

    Raises
    ------
    ValueError
        `count` is not one of `NESTED_COUNTS`.
    """
    if count not in NESTED_COUNTS:
        raise ValueError(f"{count} nodes; nested rules have {', '.join(map(str, NESTED_COUNTS))}")
    nodes = _nodes(count)
    return (
        tuple((0.5 * (nodes + 1.0)).tolist()),
        tuple((0.5 * _weights(nodes)).tolist()),
    )


@cache
def _nodes(count: int) -> Floats:
    """On -1..1, symmetric."""
    if count == NESTED_COUNTS[0]:
        return np.asarray(legendre.leggauss(count)[0])
    before = _nodes((count - 1) // 2)
    return np.sort(np.concatenate([before, _added(before)]))


def _added(nodes: Floats) -> Floats:
    """Zeros of the Stieltjes polynomial of the old nodes, by Legendre coefficients."""
    degree = len(nodes)
    points, weights = legendre.leggauss(2 * degree + 4)
    old = np.prod((points[:, None] - nodes[None]) * 2.0, axis=1)  # factor 2: capacity of -1..1
    basis = legendre.legvander(points, degree + 1)
    measure = weights * old
    system = basis[:, : degree + 1].T @ (measure[:, None] * basis[:, : degree + 1])
    right = -basis[:, : degree + 1].T @ (measure * basis[:, degree + 1])
    # By symmetry half of the coefficients are 0 and their rows say nothing: least squares.
    coefficients = np.linalg.lstsq(system, right, rcond=1e-12)[0]
    found = legendre.legroots(np.append(coefficients, 1.0))
    real = np.sort(np.real(found))
    return np.asarray(0.5 * (real - real[::-1]))  # exactly symmetric


def _weights(nodes: Floats) -> Floats:
    """Interpolatory weights: right for every polynomial below the number of nodes."""
    count = len(nodes)
    right = np.zeros(count)
    right[0] = 2.0
    return np.asarray(np.linalg.solve(legendre.legvander(nodes, count - 1).T, right))
