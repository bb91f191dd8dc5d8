"""Rigid geometry of head motion: six parameters, 4 x 4 matrices, voxels and millimetres.

One convention, stated in `app.core.results.Motion`: parameters are ``trans_x, trans_y, trans_z``
in mm and ``rot_x, rot_y, rot_z`` in radians, the map ``R (p - c) + c + t`` takes a point `p` of
the reference head (scanner RAS+ mm) to where it lies in the frame, and ``R = Rz Ry Rx``.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.core.results import Motion


def rotation_matrix(angles_rad: Floats) -> Floats:
    """Rotation ``Rz(c) Ry(b) Rx(a)`` of the angles ``(a, b, c)``, shape (3, 3)."""
    a, b, c = (float(angle) for angle in angles_rad)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def rigid_matrix(parameters: Floats, centre_mm: Floats) -> Floats:
    """Matrix of one frame's six parameters: reference scanner mm -> frame scanner mm.

    Parameters
    ----------
    parameters
        (6,), three translations in mm, then three rotations in radians.
    centre_mm
        (3,), the point that rotations turn about.

    Returns
    -------
    (4, 4) float64.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(parameters[3:])
    matrix[:3, 3] = centre_mm + parameters[:3] - matrix[:3, :3] @ centre_mm
    return matrix


def rigid_parameters(matrix: Floats, centre_mm: Floats) -> Floats:
    """Six parameters of a rigid matrix; the inverse of `rigid_matrix` for |rot_y| < 90 deg."""
    rotation = matrix[:3, :3]
    parameters = np.empty(6)
    parameters[:3] = rotation @ centre_mm + matrix[:3, 3] - centre_mm
    parameters[3] = np.arctan2(rotation[2, 1], rotation[2, 2])
    parameters[4] = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    parameters[5] = np.arctan2(rotation[1, 0], rotation[0, 0])
    return parameters


def rigid_matrices(motion: Motion) -> Floats:
    """All frames' matrices, (frame, 4, 4): reference scanner mm -> frame scanner mm."""
    return np.stack([rigid_matrix(row, motion.centre_mm) for row in motion.parameters])


def apply_affine(affine: Floats, points: Floats) -> Floats:
    """Points (point, 3) through a (4, 4) affine, (point, 3) float64."""
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3])


def voxel_sizes_mm(affine: Floats) -> Floats:
    """Edge lengths of a voxel along the three grid axes, (3,)."""
    return np.asarray(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)))


def is_orthogonal(affine: Floats) -> bool:
    """Whether a grid has right angles (ITK images can hold no others)."""
    directions = affine[:3, :3] / voxel_sizes_mm(affine)
    return bool(np.allclose(directions.T @ directions, np.eye(3), atol=1e-4))


def settled_affine(affine: Floats) -> Floats:
    """The place of a grid, rounded to about 0.01 mm, so that its storage order leaves no trace.

    A file holds its place in 32-bit numbers. Stored along other axes, the same grid comes back up
    to 1e-5 mm elsewhere, and whatever stops at a tolerance or takes the nearest voxel enlarges
    that to hundredths of a millimetre. A series does not depend on where the world's origin lies:
    everything that is found in the rounded place is found of the same voxels.

    Edges are rounded to 1e-4 mm, a right-angled grid's turn to 1e-4 rad (0.01 mm at 100 mm),
    other grids' axes to 1e-4 mm a voxel, the origin to 0.01 mm. Decimal numbers and the usual
    binary fractions (3.4375 mm) lie well inside a step, not on its border.
    """
    settled = np.eye(4)
    edges = voxel_sizes_mm(affine)
    signed = edges * np.where(np.diag(affine)[:3] < 0, -1.0, 1.0)
    directions = affine[:3, :3] / signed
    if is_orthogonal(affine) and np.linalg.det(directions) > 0:
        from scipy.spatial.transform import Rotation

        left, _, right = np.linalg.svd(directions)
        turn = _settled(Rotation.from_matrix(left @ right).as_rotvec(), 4)
        settled[:3, :3] = Rotation.from_rotvec(turn).as_matrix() * _settled(signed, 4)
    else:
        settled[:3, :3] = _settled(affine[:3, :3], 4)
    settled[:3, 3] = _settled(affine[:3, 3], 2)
    return settled


def _settled(values: Floats, decimals: int) -> Floats:
    """Values on a decimal grid; what lies a half or a quarter between falls clear of a border."""
    return np.asarray(np.round(np.floor(values * 10.0**decimals + 0.618) / 10.0**decimals, 6))


def grid_points_mm(shape: tuple[int, ...], affine: Floats) -> Floats:
    """World positions of all voxel centres in C order, (x * y * z, 3) float64."""
    axes = [np.arange(count, dtype=np.float64) for count in shape[:3]]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return apply_affine(affine, mesh)


def dilated(mask: Bools, affine: Floats, margin_mm: float) -> Bools:
    """A mask widened by about that many mm."""
    from scipy import ndimage

    steps = max(round(margin_mm / float(voxel_sizes_mm(affine).mean())), 1)
    return np.asarray(ndimage.binary_dilation(mask, iterations=steps), bool)


def spread_choice(count: int, most: int) -> Ints:
    """At most `most` of the indices 0..count - 1, ascending, spread without a pattern.

    A fixed stride would pick the same few slices wherever it divides the number of slices; the
    draw here is fixed (seed 0), so the same count gives the same choice.
    """
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def displacement_at_radius_mm(
    first: Floats, second: Floats, centre_mm: Floats, radius_mm: float
) -> Floats:
    """RMS displacement between two rigid maps over a sphere.

    Jenkinson, FMRIB technical report TR99MJ1: with ``(A, t) = second first^-1 - I``,
    ``sqrt(R^2 / 5 tr(A'A) + |t + A c|^2)``.

    Parameters
    ----------
    first, second
        (..., 4, 4) affine matrices, scanner mm -> scanner mm.
    centre_mm
        (3,) centre of the sphere in scanner mm.
    radius_mm
        Radius of the sphere in mm.

    Returns
    -------
    (...,) RMS displacement in mm.
    """
    difference = second @ np.linalg.inv(first) - np.eye(4)
    linear, shift = difference[..., :3, :3], difference[..., :3, 3]
    trace = (linear**2).sum(axis=(-2, -1))
    at_centre = shift + linear @ centre_mm
    return np.asarray(np.sqrt(radius_mm**2 / 5.0 * trace + (at_centre**2).sum(axis=-1)))
