"""Compiled loops of the forward model: sampling of fields and rendering of frames.

All of them are single-threaded and free of fast-math, so that the bits do not depend on how
many threads run around them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from app.core.arrays import Floats, Ints


@njit(cache=True, nogil=True)
def sample_vector_field(field: Floats, index: Floats, out: Floats) -> None:
    """Trilinear sample of `field` (x, y, z, 3) at one voxel `index` (3,); zero outside."""
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    nx, ny, nz = field.shape[0], field.shape[1], field.shape[2]
    i, j, k = int(np.floor(index[0])), int(np.floor(index[1])), int(np.floor(index[2]))
    if i < 0 or j < 0 or k < 0 or i >= nx - 1 or j >= ny - 1 or k >= nz - 1:
        return
    fx, fy, fz = index[0] - i, index[1] - j, index[2] - k
    for a in range(2):
        wa = fx if a else 1.0 - fx
        for b in range(2):
            wb = wa * (fy if b else 1.0 - fy)
            for c in range(2):
                w = wb * (fz if c else 1.0 - fz)
                for d in range(3):
                    out[d] += w * field[i + a, j + b, k + c, d]


@njit(cache=True, nogil=True)
def add_displacement(
    points: Floats, field: Floats, origin: Floats, spacing: float, direction: float, result: Floats
) -> None:
    """``result = points + direction * field(points)`` if direction > 0, else its inverse.

    `points`, `result` have shape (point, 3) in mm; the field lies on an axis-aligned grid. The
    inverse solves ``p + field(p) = q`` by fixed-point iteration to 1e-4 mm.
    """
    index = np.empty(3)
    step = np.empty(3)
    for n in range(points.shape[0]):
        p0, p1, p2 = points[n, 0], points[n, 1], points[n, 2]
        x, y, z = p0, p1, p2
        for _ in range(1 if direction > 0 else 30):
            index[0] = (x - origin[0]) / spacing
            index[1] = (y - origin[1]) / spacing
            index[2] = (z - origin[2]) / spacing
            sample_vector_field(field, index, step)
            sign = 1.0 if direction > 0 else -1.0
            x_new = p0 + sign * step[0]
            y_new = p1 + sign * step[1]
            z_new = p2 + sign * step[2]
            change = abs(x_new - x) + abs(y_new - y) + abs(z_new - z)
            x, y, z = x_new, y_new, z_new
            if change < 1e-4:
                break
        result[n, 0] = x
        result[n, 1] = y
        result[n, 2] = z


@njit(cache=True, nogil=True)
def sample_linear(volume: Floats, index: Floats, out: Floats) -> None:
    """Trilinear sample of a volume at voxel indices (point, 3); zero outside."""
    nx, ny, nz = volume.shape
    for n in range(index.shape[0]):
        x, y, z = index[n, 0], index[n, 1], index[n, 2]
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        total = 0.0
        if i >= 0 and j >= 0 and k >= 0 and i < nx - 1 and j < ny - 1 and k < nz - 1:
            fx, fy, fz = x - i, y - j, z - k
            for a in range(2):
                wa = fx if a else 1.0 - fx
                for b in range(2):
                    wb = wa * (fy if b else 1.0 - fy)
                    for c in range(2):
                        total += wb * (fz if c else 1.0 - fz) * volume[i + a, j + b, k + c]
        out[n] = total


@njit(cache=True, nogil=True)
def render_frame(
    base: Floats,
    labels: Ints,
    to_fine: Floats,
    voxels: Ints,
    offsets: Floats,
    signal: Floats,
    patterns: Floats,
    coefficients: Floats,
    out: Floats,
) -> None:
    """One volume of the moving head at the listed native voxels, before noise.

    Parameters
    ----------
    base, labels
        Resting image and label on the fine grid, shape (x, y, z).
    to_fine
        (3, 4), native voxel index -> fine voxel index for this pose.
    voxels
        (voxel, 3), native indices.
    offsets
        (sample, 3), sub-voxel sample places of the point spread, in native voxels.
    signal
        (slice, label), factor on `base` in this frame.
    patterns, coefficients
        (voxel, pattern) and (slice, pattern), slow multiplicative fields fixed in the scanner.
    out
        (voxel,), overwritten.
    """
    nx, ny, nz = base.shape
    samples = offsets.shape[0]
    move = np.empty((samples, 3))
    for s in range(samples):
        for d in range(3):
            move[s, d] = (
                to_fine[d, 0] * offsets[s, 0]
                + to_fine[d, 1] * offsets[s, 1]
                + to_fine[d, 2] * offsets[s, 2]
                + to_fine[d, 3]
            )
    for v in range(voxels.shape[0]):
        vi, vj, vk = voxels[v, 0], voxels[v, 1], voxels[v, 2]
        x0 = to_fine[0, 0] * vi + to_fine[0, 1] * vj + to_fine[0, 2] * vk
        y0 = to_fine[1, 0] * vi + to_fine[1, 1] * vj + to_fine[1, 2] * vk
        z0 = to_fine[2, 0] * vi + to_fine[2, 1] * vj + to_fine[2, 2] * vk
        total = 0.0
        for s in range(samples):
            x, y, z = x0 + move[s, 0], y0 + move[s, 1], z0 + move[s, 2]
            if x < 0 or y < 0 or z < 0:
                continue
            i, j, k = int(x), int(y), int(z)
            if i >= nx - 1 or j >= ny - 1 or k >= nz - 1:
                continue
            fx, fy, fz = x - i, y - j, z - k
            for a in range(2):
                wa = fx if a else 1.0 - fx
                for b in range(2):
                    wb = wa * (fy if b else 1.0 - fy)
                    low, high = base[i + a, j + b, k], base[i + a, j + b, k + 1]
                    if low == 0.0 and high == 0.0:
                        continue
                    total += wb * (
                        (1.0 - fz) * low * signal[vk, labels[i + a, j + b, k]]
                        + fz * high * signal[vk, labels[i + a, j + b, k + 1]]
                    )
        slow = 1.0
        for p in range(patterns.shape[1]):
            slow += patterns[v, p] * coefficients[vk, p]
        out[v] = total / samples * slow


@njit(cache=True, nogil=True)
def parcel_weights(
    base: Floats,
    labels: Ints,
    to_fine: Floats,
    voxels: Ints,
    offsets: Floats,
    parcels: int,
    entries: Floats,
) -> int:
    """Share of each native voxel's signal that comes from each parcel.

    Fills `entries` (entry, 3) with (parcel, position in `voxels`, share) and returns how many.
    """
    nx, ny, nz = base.shape
    found = np.zeros(parcels + 1)
    touched = np.empty(64, np.int64)
    count = 0
    for v in range(voxels.shape[0]):
        total = 0.0
        used = 0
        for s in range(offsets.shape[0]):
            p = voxels[v] + offsets[s]
            x = to_fine[0, 0] * p[0] + to_fine[0, 1] * p[1] + to_fine[0, 2] * p[2] + to_fine[0, 3]
            y = to_fine[1, 0] * p[0] + to_fine[1, 1] * p[1] + to_fine[1, 2] * p[2] + to_fine[1, 3]
            z = to_fine[2, 0] * p[0] + to_fine[2, 1] * p[1] + to_fine[2, 2] * p[2] + to_fine[2, 3]
            i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
            if i < 0 or j < 0 or k < 0 or i >= nx - 1 or j >= ny - 1 or k >= nz - 1:
                continue
            fx, fy, fz = x - i, y - j, z - k
            for a in range(2):
                wa = fx if a else 1.0 - fx
                for b in range(2):
                    wb = wa * (fy if b else 1.0 - fy)
                    for c in range(2):
                        w = wb * (fz if c else 1.0 - fz) * base[i + a, j + b, k + c]
                        label = labels[i + a, j + b, k + c]
                        total += w
                        if w > 0.0 and 0 < label <= parcels:
                            if found[label] == 0.0 and used < 64:
                                touched[used] = label
                                used += 1
                            found[label] += w
        for u in range(used):
            label = touched[u]
            if found[label] > 0.0 and total > 0.0 and count < entries.shape[0]:
                entries[count, 0] = label - 1
                entries[count, 1] = v
                entries[count, 2] = found[label] / total
                count += 1
            found[label] = 0.0
    return count


@njit(cache=True, nogil=True)
def add_rician_noise(image: Floats, noise: Floats, sigma: float, out: Ints) -> None:
    """``sqrt((S + s n1)^2 + (s n2)^2)``, rounded to int16; all flat, noise (2, voxel)."""
    for v in range(image.size):
        real = image[v] + sigma * noise[0, v]
        imaginary = sigma * noise[1, v]
        value = np.sqrt(real * real + imaginary * imaginary)
        out[v] = np.int16(min(np.rint(value), 32767.0))
