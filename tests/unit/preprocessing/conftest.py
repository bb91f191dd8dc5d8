"""A small head with known motion and place, made with other interpolators than the code's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from app.connectome.templates import Template, load_template
from app.core.arrays import Floats
from app.core.images import Image4D
from app.preprocessing.geometry import apply_affine, grid_points_mm, rigid_matrix, rotation_matrix


@dataclass(frozen=True)
class Phantom:
    """A run of the template's EPI-contrast brain, and the truth about it."""

    image: Image4D
    affine: Floats  # (4, 4), template mm -> scanner mm
    warp_mm: Floats  # (x, y, z, 3) on the template's 2 mm grid, before the affine
    parameters: Floats  # (frame, 6)
    centre_mm: Floats

    def scanner_mm(self, template: Template, points_mm: Floats, frame: int) -> Floats:
        """Where template points truly lie in a frame."""
        voxels = apply_affine(np.linalg.inv(template.epi_contrast_2mm.affine), points_mm).T
        shift = np.stack(
            [
                ndimage.map_coordinates(self.warp_mm[..., a], voxels, order=1, mode="nearest")
                for a in range(3)
            ],
            axis=1,
        )
        at_rest = apply_affine(self.affine, points_mm + shift)
        return apply_affine(rigid_matrix(self.parameters[frame], self.centre_mm), at_rest)


def make_phantom(
    template: Template,
    parameters: Floats,
    *,
    seed: int,
    shape: tuple[int, int, int] = (38, 46, 31),
    voxel_mm: tuple[float, float, float] = (4.6, 4.6, 5.0),
    warp: float = 3.0,
    noise: float = 0.01,
    mirrored: bool = False,
) -> Phantom:
    """Render one frame per row of `parameters`; quintic splines, Rician noise, receive bias."""
    rng = np.random.default_rng(seed)
    epi = template.epi_contrast_2mm
    source = np.asarray(epi.data, np.float64) * 1000.0
    if mirrored:
        source = source[::-1]
    coefficients = ndimage.spline_filter(source, 5)
    grid_affine = np.diag([*voxel_mm, 1.0])
    grid_affine[:3, 3] = -(np.array(shape) - 1) / 2 * np.array(voxel_mm) + rng.uniform(-4, 4, 3)
    affine = np.eye(4)
    affine[:3, :3] = rotation_matrix(rng.uniform(-0.12, 0.12, 3)) @ np.diag(
        rng.uniform(0.95, 1.05, 3)
    )
    affine[:3, 3] = np.array([0.0, 18.0, -6.0]) + rng.uniform(-4, 4, 3)
    coarse = rng.normal(size=(3, 6, 7, 6))
    field = np.stack(
        [ndimage.zoom(part, (97 / 6, 115 / 7, 97 / 6), order=3) for part in coarse], axis=-1
    )
    field *= warp / np.abs(field).max()
    centre = apply_affine(affine, np.array([[0.0, -18.0, 10.0]]))[0]
    grid = grid_points_mm(shape, grid_affine)
    to_template, to_voxel = np.linalg.inv(affine), np.linalg.inv(epi.affine)
    bias = 1.0 + 0.15 * np.sin(grid @ np.array([0.012, 0.01, 0.008]) + 0.4)
    data = np.empty((*shape, len(parameters)), np.int16, order="F")
    for frame, row in enumerate(parameters):
        at_rest = apply_affine(np.linalg.inv(rigid_matrix(row, centre)), grid)
        target = apply_affine(to_template, at_rest)
        place = target.copy()
        for _ in range(8):
            voxels = apply_affine(to_voxel, place).T
            shift = [
                ndimage.map_coordinates(field[..., a], voxels, order=1, mode="nearest")
                for a in range(3)
            ]
            place = target - np.stack(shift, axis=1)
        voxels = apply_affine(to_voxel, place).T
        clean = ndimage.map_coordinates(coefficients, voxels, order=5, prefilter=False) * bias
        error = rng.normal(0.0, 1000.0 * noise, (2, clean.size))
        data[..., frame] = np.hypot(clean + error[0], error[1]).round().reshape(shape)
    return Phantom(Image4D(data, grid_affine, 2.0), affine, field, parameters, centre)


@pytest.fixture(scope="session")
def template() -> Template:
    """The template that the chain uses."""
    return load_template("MNI152NLin2009cAsym")


@pytest.fixture(scope="session")
def moving_phantom(template: Template) -> Phantom:
    """16 frames: drift, a 3 mm step for two frames, and one frame of 12 mm and 12 degrees."""
    rng = np.random.default_rng(5)
    parameters = np.zeros((16, 6))
    parameters[:, :3] = np.cumsum(rng.normal(0.0, 0.06, (16, 3)), axis=0)
    parameters[:, 3:] = np.cumsum(rng.normal(0.0, 0.001, (16, 3)), axis=0)
    parameters[5:7] += [1.0, -2.0, 2.0, 0.02, 0.01, -0.015]
    parameters[12] += [4.0, -6.0, 8.0, 0.2, -0.05, 0.1]
    return make_phantom(template, parameters, seed=3)
