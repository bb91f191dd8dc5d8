"""Cubic splines on a graphics card, many frames at once: the CPU kernels' sums in torch.

torch comes in as an argument: only `motion` and `sampling` import it, lazily. Everything is
written as gathers and sums in a fixed order, without atomic additions, so the same card gives
the same bits twice. Positions and weights are float64; stored volumes are float32, as the CPU
motion estimate holds them. On "cpu" the same code runs and is what the tests compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from app.core.arrays import Floats, Ints

Tensor = Any  # torch is not imported here


class SplineReader:
    """Smooths, prefilters and reads batches of volumes on one device.

    Parameters
    ----------
    torch
        The module.
    device
        Such as "cuda" or "cpu".
    """

    def __init__(self, torch: Any, device: str) -> None:
        self.torch = torch
        self.device = device

    def volumes(self, frames: Floats | Ints) -> Tensor:
        """Frames (x, y, z, frame) as a float32 batch (frame, x, y, z)."""
        batch = np.ascontiguousarray(np.moveaxis(np.asarray(frames), -1, 0), np.float32)
        return self.torch.from_numpy(batch).to(self.device)

    def tensor(self, array: Any) -> Tensor:
        """A float64 copy on the device."""
        return self.torch.from_numpy(np.array(array, np.float64)).to(self.device)

    def smooth(self, batch: Tensor, kernels: Floats, radii: Floats | Ints) -> Tensor:
        """Separable smoothing with the edge value repeated, as `kernels.smooth_volume`."""
        middle = kernels.shape[1] // 2
        for axis in range(3):
            count, radius = batch.shape[axis + 1], int(radii[axis])
            total = self.torch.zeros_like(batch)
            for offset in range(-radius, radius + 1):
                index = np.clip(np.arange(count) + offset, 0, count - 1)
                moved = batch.index_select(axis + 1, self._index(index))
                total += float(kernels[axis, middle + offset]) * moved
            batch = total
        return batch

    def prefiltered(self, batch: Tensor) -> Tensor:
        """Cubic B-spline coefficients, mirrored at the outer voxel centres.

        The inverse of the banded matrix that takes coefficients to values, along each axis:
        exact, and a matrix product is what a card does best.
        """
        for axis in range(3):
            inverse = self.tensor(_collocation_inverse(batch.shape[axis + 1]))
            moved = batch.movedim(axis + 1, -1)
            wide = self.torch.matmul(moved.double(), inverse.T)
            batch = wide.float().movedim(-1, axis + 1)
        return batch

    def padded(self, batch: Tensor) -> Tensor:
        """One mirrored voxel before and two after along each axis, as `kernels.padded`."""
        for axis in range(3):
            count = batch.shape[axis + 1]
            index = [_mirror(place - 1, count) for place in range(count + 3)]
            batch = batch.index_select(axis + 1, self._index(np.array(index)))
        return batch.contiguous()

    def values(self, padded: Tensor, positions: Tensor) -> Tensor:
        """Spline values (frame, point) float64 at voxel positions (frame, point, 3) float64.

        Positions outside the volume are moved to its border.
        """
        torch = self.torch
        frames, nx, ny, nz = padded.shape
        flat = padded.reshape(frames, -1)
        base = torch.zeros(positions.shape[:2], dtype=torch.int64, device=self.device)
        weights = []
        for axis, (count, stride) in enumerate(((nx, ny * nz), (ny, nz), (nz, 1))):
            place = positions[..., axis].clamp(0.0, count - 4.0)
            whole = place.floor()
            weights.append(_cubic_weights(place - whole))
            base += whole.long() * stride
        total = torch.zeros(positions.shape[:2], dtype=torch.float64, device=self.device)
        for a in range(4):
            for b in range(4):
                row = torch.zeros_like(total)
                for c in range(4):
                    offset = a * ny * nz + b * nz + c
                    row += weights[2][c] * flat.gather(1, base + offset)
                total += (weights[0][a] * weights[1][b]) * row
        return total

    def positions(self, matrices: Tensor, points: Tensor) -> Tensor:
        """(frame, point, 3): `matrices` (frame, 3, 4) applied to `points` (point, 3)."""
        return points @ matrices[:, :, :3].transpose(1, 2) + matrices[:, None, :, 3]

    def inside(self, positions: Tensor, shape: tuple[int, ...], edge: float) -> Tensor:
        """(frame, point) bool: within the outer voxel centres, `edge` voxels of grace."""
        last = self.tensor(np.array(shape[:3]) - 1.0 + edge)
        return ((positions >= -edge) & (positions <= last)).all(dim=-1)

    def _index(self, index: Ints) -> Tensor:
        return self.torch.from_numpy(np.asarray(index, np.int64)).to(self.device)


class GroupSums:
    """Sums of point values over groups without atomic additions: one gather, one sum.

    Parameters
    ----------
    reader
        Where.
    group_of_point, group_count
        (point,) group of each point.
    """

    def __init__(self, reader: SplineReader, group_of_point: Ints, group_count: int) -> None:
        sizes = np.bincount(group_of_point, minlength=group_count)
        widest = int(sizes.max()) if group_count else 0
        self.empty = widest == 0
        table = np.full((group_count, max(widest, 1)), len(group_of_point), np.int64)
        order = np.argsort(group_of_point, kind="stable")
        starts = np.cumsum(sizes) - sizes
        rank = np.arange(len(order)) - starts[np.asarray(group_of_point)[order]]
        table[np.asarray(group_of_point)[order], rank] = order
        self._table = reader.torch.from_numpy(table).to(reader.device)
        self._reader = reader

    def __call__(self, values: Tensor) -> Floats:
        """(frame, group) float64 of values (frame, point)."""
        torch = self._reader.torch
        if self.empty:
            return np.zeros((values.shape[0], self._table.shape[0]))
        blank = torch.zeros((values.shape[0], 1), dtype=values.dtype, device=values.device)
        filled = torch.cat([values, blank], dim=1)
        sums = [row[self._table].sum(dim=1) for row in filled]  # a frame at a time: memory
        return np.asarray(torch.stack(sums).cpu().numpy(), np.float64)


def _cubic_weights(fraction: Tensor) -> list[Tensor]:
    """Four weights of the uniform cubic B-spline at fractions in [0, 1)."""
    f, g = fraction, 1.0 - fraction
    return [
        g * g * g / 6.0,
        2.0 / 3.0 - 0.5 * f * f * (2.0 - f),
        2.0 / 3.0 - 0.5 * g * g * (2.0 - g),
        f * f * f / 6.0,
    ]


def _collocation_inverse(count: int) -> Floats:
    """Inverse of the map from mirrored coefficients to values, (count, count)."""
    matrix = np.zeros((count, count))
    for row in range(count):
        matrix[row, row] += 4.0 / 6.0
        matrix[row, _mirror(row - 1, count)] += 1.0 / 6.0
        matrix[row, _mirror(row + 1, count)] += 1.0 / 6.0
    return np.linalg.inv(matrix)


def _mirror(index: int, count: int) -> int:
    """Index reflected about the centres of the first and last voxel."""
    if index < 0:
        index = -index
    if index > count - 1:
        index = 2 * (count - 1) - index
    return min(max(index, 0), count - 1)
