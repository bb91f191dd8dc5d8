"""One volume to a reference: smoothing, derivatives and the Gauss-Newton loop of `motion`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats, Ints
from app.core.errors import PreprocessingError
from app.core.images import Image4D
from app.preprocessing.framewise import JENKINSON_RADIUS_MM
from app.preprocessing.geometry import (
    apply_affine,
    displacement_at_radius_mm,
    rigid_matrix,
    spread_choice,
    voxel_sizes_mm,
)

MASK_SHARE_OF_MAXIMUM = 0.2
MASK_BORDER_VOXELS = 3
MOST_POINTS = 40_000
MOST_ITERATIONS = 20


@dataclass(frozen=True, slots=True)
class Fit:
    """Where one frame's head lies, and how well that explains the frame."""

    matrix: Floats  # (4, 4), reference mm -> frame mm
    gain: float
    cost: float  # residual RMS / reference RMS
    share_inside: float  # of the reference points that fall inside the frame

    @property
    def score(self) -> float:
        """Cost, made worse where the fit escapes by moving points out of view."""
        return self.cost / max(self.share_inside, 0.05)


@dataclass(frozen=True, slots=True)
class Smoother:
    """Reads frames of a run as smooth splines; the same function class for every frame.

    The Gaussian's width is equal in mm along all axes (the mean voxel edge times `voxels`), so
    thick slices are not smoothed more than thin ones. The smoothed voxels are then read as
    B-spline coefficients without a prefilter: a little more smoothing, the same for reference
    and frame, and no error from the interpolation that depends on the position.
    """

    image: Image4D
    kernels: Floats  # (3, taps) float32
    radii: Floats  # (3,)

    @classmethod
    def for_grid(cls, image: Image4D, voxels: float) -> Smoother:
        """Smoother with a sigma of `voxels` mean voxel edges."""
        sizes = voxel_sizes_mm(image.affine)
        sigma = voxels * float(sizes.mean()) / sizes
        radii = np.ceil(3.0 * sigma).astype(np.int64)
        offsets = np.arange(-radii.max(), radii.max() + 1)
        kernels = np.exp(-0.5 * (offsets[None, :] / sigma[:, None]) ** 2)
        kernels[np.abs(offsets)[None, :] > radii[:, None]] = 0.0
        kernels /= kernels.sum(axis=1, keepdims=True)
        return cls(image, kernels.astype(np.float32), radii)

    @property
    def frame_count(self) -> int:
        """Frames of the run."""
        return int(self.image.data.shape[3])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Grid of one volume."""
        x, y, z = self.image.data.shape[:3]
        return x, y, z

    def smooth_again(self, volume: Floats | Ints) -> Floats:
        """Smooth one (x, y, z) volume, float32."""
        from app.preprocessing import kernels

        out, spare = np.empty(volume.shape, np.float32), np.empty(volume.shape, np.float32)
        source = np.ascontiguousarray(volume, dtype=np.float32)
        kernels.smooth_volume(source, self.kernels, self.radii, out, spare)
        return out

    def coefficients(self, frame: int) -> Floats:
        """Padded spline coefficients of one smoothed frame, (x + 3, y + 3, z + 3) float32."""
        from app.preprocessing import kernels

        smooth = self.smooth_again(self.image.data[..., frame])
        out = np.empty([count + 3 for count in smooth.shape], np.float32)
        kernels.padded(smooth, out)
        return out

    def spline_values(self, coefficients: Floats) -> Floats:
        """Values of the spline on its own grid, (x, y, z) float64."""
        from app.preprocessing import kernels

        out = np.zeros(self.shape)
        kernels.cubic_volume(coefficients, np.eye(4)[:3], out)
        return out

    def resampled(self, frame: int, voxel_matrix: Floats) -> Floats:
        """One smoothed frame read at ``voxel_matrix @ voxel``, (x, y, z) float64."""
        from app.preprocessing import kernels

        out = np.zeros(self.shape)
        kernels.cubic_volume(self.coefficients(frame), voxel_matrix, out)
        return out


@dataclass(frozen=True, slots=True)
class Reference:
    """What frames are aligned to, with everything that is computed only once."""

    volume: Floats  # (x, y, z) smoothed
    affine: Floats  # (4, 4)
    centre_mm: Floats  # (3,) intensity centroid of the points
    voxels: Floats  # (point, 3)
    values: Floats  # (point,)
    steepest: Floats  # (point, 10), d value / d (3 mm, 3 rad, log gain, 3 shading)
    solver: Floats  # (7, 10), first rows of the inverse of steepest' steepest

    def voxel_matrix(self, matrix: Floats) -> Floats:
        """(3, 4) map of reference voxels to frame voxels of a (4, 4) map in mm."""
        return np.ascontiguousarray((np.linalg.inv(self.affine) @ matrix @ self.affine)[:3])

    def turned(self, axis: int, angle_rad: float) -> Floats:
        """(4, 4) rotation about the head's centre."""
        parameters = np.zeros(6)
        parameters[3 + axis] = angle_rad
        return rigid_matrix(parameters, self.centre_mm)


def make_reference(volume: Floats, affine: Floats, most_points: int = MOST_POINTS) -> Reference:
    """Prepare a smoothed volume as the target of `align`.

    Points are the voxels above 20 % of the (robust) maximum, 3 voxels off the border.

    Raises
    ------
    PreprocessingError
        Fewer than 100 such voxels: the volume is empty.
    """
    shape = volume.shape
    mask = volume > MASK_SHARE_OF_MAXIMUM * np.percentile(volume, 99.8)
    for axis, count in enumerate(shape):
        border = min(MASK_BORDER_VOXELS, count // 8)
        keep = (np.arange(count) >= border) & (np.arange(count) < count - border)
        mask &= keep.reshape([-1 if a == axis else 1 for a in range(3)])
    chosen = np.argwhere(mask)
    if len(chosen) < 100:
        raise PreprocessingError(
            "The run holds no head-like signal to align.",
            "Check that the file is a functional run with a head in view.",
            code="preprocessing.empty_volume",
        )
    chosen = chosen[spread_choice(len(chosen), most_points)]
    index = tuple(chosen.T)
    values = np.asarray(volume[index], dtype=np.float64)
    in_voxels = np.stack([np.gradient(volume, axis=axis)[index] for axis in range(3)], axis=1)
    in_mm = in_voxels @ np.linalg.inv(affine)[:3, :3]
    points = apply_affine(affine, chosen.astype(np.float64))
    centre = (points * values[:, None]).sum(axis=0) / values.sum()
    # Slow gain changes across the head (receive coils drift) would pass for motion: they are
    # fitted anew in every step, and only the first seven unknowns are used.
    shading = (points - centre) / np.maximum(np.abs(points - centre).max(axis=0), 1e-6)
    steepest = np.empty((len(chosen), 10))
    steepest[:, :3] = in_mm
    steepest[:, 3:6] = np.cross(points - centre, in_mm)
    steepest[:, 6] = values
    steepest[:, 7:] = shading * values[:, None]
    # Unit columns first: mm, radians and intensities differ by orders of magnitude.
    size = np.maximum(np.sqrt((steepest**2).sum(axis=0)), 1e-12)
    scaled = steepest / size
    solver = (np.linalg.pinv(scaled.T @ scaled, hermitian=True) / size[:, None] / size)[:7]
    voxels = np.ascontiguousarray(chosen, dtype=np.float64)
    return Reference(volume, affine, centre, voxels, values, steepest, solver)


def align(coefficients: Floats, reference: Reference, start: Floats, tolerance_mm: float) -> Fit:
    """Gauss-Newton from `start` until the head moves less than `tolerance_mm` at 80 mm.

    Parameters
    ----------
    coefficients
        Padded spline coefficients of the smoothed frame.
    start
        (4, 4) first guess, reference mm -> frame mm.
    tolerance_mm
        Stop below this RMS displacement over a sphere of 80 mm; at most 20 iterations.
    """
    from app.preprocessing import kernels

    matrix, gain = start, 1.0
    gradient = np.empty(reference.steepest.shape[1])
    norm = float(reference.values @ reference.values)
    best = Fit(start, 1.0, np.inf, 0.0)
    for _ in range(MOST_ITERATIONS):
        energy, inside = kernels.cubic_residual(
            coefficients,
            reference.voxel_matrix(matrix),
            reference.voxels,
            reference.values,
            gain,
            reference.steepest,
            gradient,
        )
        share = inside / len(reference.values)
        cost = float(np.sqrt(energy / max(norm * share, 1e-30)))
        fit = Fit(matrix, gain, cost, share)
        best = min(best, fit, key=lambda candidate: candidate.score)
        if inside < 50:
            break
        step = reference.solver @ gradient
        increment = rigid_matrix(step[:6], reference.centre_mm)
        moved = displacement_at_radius_mm(
            np.eye(4), increment, reference.centre_mm, JENKINSON_RADIUS_MM
        )
        matrix = matrix @ np.linalg.inv(increment)
        gain = gain / max(1.0 + float(step[6]), 0.2)
        if moved < tolerance_mm:
            return Fit(matrix, gain, cost, share)
    return best
