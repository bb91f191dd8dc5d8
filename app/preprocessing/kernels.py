"""Compiled inner loops. Import this module inside functions only: numba takes a second to load.

No ``fastmath`` and no ``parallel``: each call has one order of additions, so the bits of the
answer do not depend on how many threads call it side by side. All kernels release the GIL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any  # inside compiled code the exact dtype is chosen by the caller


@njit(cache=True, nogil=True)
def smooth_volume(volume: Array, kernels: Array, radii: Array, out: Array, spare: Array) -> None:
    """Separable smoothing with the edge value repeated outside.

    `volume` (x, y, z) any real dtype; `kernels` (3, 2 * R + 1) float32, the weights of each axis
    centred at R; `radii` (3,) the half-widths in use; result in `out`; both `out` and `spare`
    (x, y, z) float32.
    """
    nx, ny, nz = volume.shape
    middle = kernels.shape[1] // 2
    for i in range(nx):
        spare[i] = 0.0
        for k in range(-radii[0], radii[0] + 1):
            source = min(max(i + k, 0), nx - 1)
            weight = kernels[0, middle + k]
            for j in range(ny):
                for z in range(nz):
                    spare[i, j, z] += weight * np.float32(volume[source, j, z])
    for i in range(nx):
        for j in range(ny):
            for z in range(nz):
                out[i, j, z] = 0.0
            for k in range(-radii[1], radii[1] + 1):
                source = min(max(j + k, 0), ny - 1)
                weight = kernels[1, middle + k]
                for z in range(nz):
                    out[i, j, z] += weight * spare[i, source, z]
    line = np.empty(nz + 2 * radii[2], np.float32)
    for i in range(nx):
        for j in range(ny):
            for z in range(line.size):
                line[z] = out[i, j, min(max(z - radii[2], 0), nz - 1)]
            for z in range(nz):
                out[i, j, z] = 0.0
            for k in range(2 * radii[2] + 1):
                weight = kernels[2, middle - radii[2] + k]
                for z in range(nz):
                    out[i, j, z] += weight * line[z + k]


@njit(cache=True, nogil=True)
def cubic_weights(fraction: float) -> Any:
    """Four weights of the uniform cubic B-spline at `fraction` in [0, 1)."""
    f, g = fraction, 1.0 - fraction
    return (
        g * g * g / 6.0,
        2.0 / 3.0 - 0.5 * f * f * (2.0 - f),
        2.0 / 3.0 - 0.5 * g * g * (2.0 - g),
        f * f * f / 6.0,
    )


@njit(cache=True, nogil=True)
def mirror(index: int, count: int) -> int:
    """Index reflected about the centres of the first and last voxel."""
    if index < 0:
        index = -index
    if index > count - 1:
        index = 2 * (count - 1) - index
    return min(max(index, 0), count - 1)


@njit(cache=True, nogil=True)
def padded(coefficients: Array, out: Array) -> None:
    """Copy (x, y, z) into `out` (x + 3, y + 3, z + 3): mirrored, 1 before and 2 after."""
    nx, ny, nz = coefficients.shape
    for i in range(nx + 3):
        a = mirror(i - 1, nx)
        for j in range(ny + 3):
            b = mirror(j - 1, ny)
            out[i, j, 0] = coefficients[a, b, mirror(-1, nz)]
            for k in range(nz):
                out[i, j, k + 1] = coefficients[a, b, k]
            out[i, j, nz + 1] = coefficients[a, b, mirror(nz, nz)]
            out[i, j, nz + 2] = coefficients[a, b, mirror(nz + 1, nz)]


@njit(cache=True, nogil=True)
def cubic_at(coefficients: Array, x: float, y: float, z: float) -> float:
    """Cubic B-spline at voxel position (x, y, z); `coefficients` as `padded` wrote them.

    Positions outside the volume are moved to its border.
    """
    x = min(max(x, 0.0), coefficients.shape[0] - 4.0)
    y = min(max(y, 0.0), coefficients.shape[1] - 4.0)
    z = min(max(z, 0.0), coefficients.shape[2] - 4.0)
    i, j, k = int(x), int(y), int(z)
    wx, wy, wz = cubic_weights(x - i), cubic_weights(y - j), cubic_weights(z - k)
    total = 0.0
    for a in range(4):
        plane = 0.0
        for b in range(4):
            row = coefficients[i + a, j + b]
            plane += wy[b] * (
                (wz[0] * row[k] + wz[1] * row[k + 1]) + (wz[2] * row[k + 2] + wz[3] * row[k + 3])
            )
        total += wx[a] * plane
    return total


@njit(cache=True, nogil=True)
def cubic_values(coefficients: Array, matrix: Array, points: Array, out: Array) -> None:
    """Cubic B-spline values at ``matrix @ point``.

    `coefficients` as `padded` wrote them, float64; `matrix` (3, 4) to voxels; `points`
    (point, 3); `out` (point,).
    """
    for n in range(points.shape[0]):
        p, q, r = points[n, 0], points[n, 1], points[n, 2]
        x = matrix[0, 0] * p + matrix[0, 1] * q + matrix[0, 2] * r + matrix[0, 3]
        y = matrix[1, 0] * p + matrix[1, 1] * q + matrix[1, 2] * r + matrix[1, 3]
        z = matrix[2, 0] * p + matrix[2, 1] * q + matrix[2, 2] * r + matrix[2, 3]
        out[n] = cubic_at(coefficients, x, y, z)


@njit(cache=True, nogil=True)
def cubic_group_sums(
    coefficients: Array, matrix: Array, points: Array, group: Array, sums: Array
) -> None:
    """Add the cubic B-spline value at each point to its group's sum (float64, in point order)."""
    for n in range(points.shape[0]):
        p, q, r = points[n, 0], points[n, 1], points[n, 2]
        x = matrix[0, 0] * p + matrix[0, 1] * q + matrix[0, 2] * r + matrix[0, 3]
        y = matrix[1, 0] * p + matrix[1, 1] * q + matrix[1, 2] * r + matrix[1, 3]
        z = matrix[2, 0] * p + matrix[2, 1] * q + matrix[2, 2] * r + matrix[2, 3]
        sums[group[n]] += cubic_at(coefficients, x, y, z)


@njit(cache=True, nogil=True)
def cubic_group_sums_in_view(
    coefficients: Array, matrix: Array, points: Array, group: Array, sums: Array, counts: Array
) -> None:
    """As `cubic_group_sums`, but a point outside the outer voxel centres adds nothing.

    `counts` (group,) receives the number of points that did add.
    """
    edge = 1e-6
    nx, ny, nz = coefficients.shape[0] - 4, coefficients.shape[1] - 4, coefficients.shape[2] - 4
    for n in range(points.shape[0]):
        p, q, r = points[n, 0], points[n, 1], points[n, 2]
        x = matrix[0, 0] * p + matrix[0, 1] * q + matrix[0, 2] * r + matrix[0, 3]
        y = matrix[1, 0] * p + matrix[1, 1] * q + matrix[1, 2] * r + matrix[1, 3]
        z = matrix[2, 0] * p + matrix[2, 1] * q + matrix[2, 2] * r + matrix[2, 3]
        if x < -edge or y < -edge or z < -edge:
            continue
        if x > nx + edge or y > ny + edge or z > nz + edge:
            continue
        sums[group[n]] += cubic_at(coefficients, x, y, z)
        counts[group[n]] += 1.0


@njit(cache=True, nogil=True)
def inside_grid(matrix: Array, points: Array, shape: Array, inside: Array) -> None:
    """Clear `inside` (point,) where ``matrix @ point`` leaves the centres of the outer voxels."""
    edge = 1e-6
    for n in range(points.shape[0]):
        if not inside[n]:
            continue
        for row in range(3):
            value = matrix[row, 3]
            for column in range(3):
                value += matrix[row, column] * points[n, column]
            if value < -edge or value > shape[row] - 1 + edge:
                inside[n] = False


@njit(cache=True, nogil=True)
def cubic_residual(
    coefficients: Array,
    matrix: Array,
    voxels: Array,
    reference: Array,
    gain: float,
    steepest: Array,
    gradient: Array,
) -> Any:
    """One evaluation of the rigid cost: residual energy and its projection.

    The residual is ``gain * spline(matrix @ voxel) - reference``, with `coefficients` as `padded`
    wrote them; a point outside the volume counts nothing. Writes ``steepest' residual`` into
    `gradient` (7,).

    Returns
    -------
    (sum of squares, number of points inside)
    """
    nx, ny, nz = coefficients.shape[0] - 3, coefficients.shape[1] - 3, coefficients.shape[2] - 3
    energy = 0.0
    count = 0
    for m in range(gradient.size):
        gradient[m] = 0.0
    for n in range(voxels.shape[0]):
        p, q, r = voxels[n, 0], voxels[n, 1], voxels[n, 2]
        x = matrix[0, 0] * p + matrix[0, 1] * q + matrix[0, 2] * r + matrix[0, 3]
        y = matrix[1, 0] * p + matrix[1, 1] * q + matrix[1, 2] * r + matrix[1, 3]
        z = matrix[2, 0] * p + matrix[2, 1] * q + matrix[2, 2] * r + matrix[2, 3]
        if x < 0 or y < 0 or z < 0 or x > nx - 1 or y > ny - 1 or z > nz - 1:
            continue
        residual = gain * cubic_at(coefficients, x, y, z) - reference[n]
        energy += residual * residual
        count += 1
        for m in range(gradient.size):
            gradient[m] += steepest[n, m] * residual
    return energy, count


@njit(cache=True, nogil=True)
def cubic_volume(coefficients: Array, matrix: Array, out: Array) -> None:
    """Add the volume resampled at ``matrix @ voxel`` to every voxel of `out` (x, y, z)."""
    nx, ny, nz = out.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                x = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3]
                y = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3]
                z = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3]
                out[i, j, k] += cubic_at(coefficients, x, y, z)
