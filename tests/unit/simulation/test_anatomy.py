"""The map from the template to the scanner, and the planted asymmetry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from app.simulation.anatomy import (
    AnatomySettings,
    draw_anatomy,
    lopsided_t1,
    rotation_matrix,
    sample_head,
    template_volumes,
    tissue_shares,
)
from app.simulation.signature import parcel_table


def test_that_the_inverse_map_undoes_the_map() -> None:
    for seed in range(4):
        anatomy = draw_anatomy(seed, AnatomySettings(warp_mm=8.0))
        points = parcel_table().centroids_mm
        back = anatomy.scanner_to_template(anatomy.template_to_scanner(points))
        assert np.abs(back - points).max() < 1e-3


def test_that_the_map_is_affine_after_displacement_as_documented() -> None:
    anatomy = draw_anatomy(5, AnatomySettings())
    points = parcel_table().centroids_mm
    index = (points - anatomy.displacement_affine[:3, 3]) / anatomy.displacement_affine[0, 0]
    moved = points + np.stack(
        [map_coordinates(anatomy.displacement_mm[..., d], index.T, order=1) for d in range(3)], 1
    )
    expected = moved @ anatomy.affine[:3, :3].T + anatomy.affine[:3, 3]
    assert np.allclose(anatomy.template_to_scanner(points), expected, atol=1e-9)


def test_that_people_differ_within_their_limits_and_never_fold() -> None:
    for seed in range(8):
        anatomy = draw_anatomy(seed, AnatomySettings(warp_mm=8.0))
        sizes = np.linalg.norm(anatomy.displacement_mm, axis=-1)
        assert 2.0 < sizes.max() <= 8.0 + 1e-9
        steps = [np.gradient(anatomy.displacement_mm[..., d], 4.0) for d in range(3)]
        jacobian = np.linalg.det(np.moveaxis(np.array(steps), (0, 1), (-2, -1)) + np.eye(3))
        assert jacobian.min() > 0.3
        scale = np.cbrt(np.linalg.det(anatomy.affine[:3, :3]))
        assert 0.92 < scale < 1.08
    first, second = (draw_anatomy(seed, AnatomySettings()).affine for seed in (0, 1))
    assert not np.allclose(first, second)


def test_that_the_asymmetry_is_planted_and_can_be_chosen() -> None:
    def lopsided(asymmetry: float) -> float:
        t1 = lopsided_t1(asymmetry)
        both = (t1 > 0) & (t1[::-1] > 0)
        return float(np.abs(t1 - t1[::-1])[both].mean())

    assert lopsided(0.5) > 1.3 * lopsided(0.0) > 0
    field = draw_anatomy(3, AnatomySettings(warp_mm=0.0, asymmetry=1.0)).displacement_mm
    left = np.array([-32.0, -88.0, 4.0])
    origin = draw_anatomy(3, AnatomySettings()).displacement_affine[:3, 3]
    index = np.rint((left - origin) / 4.0).astype(int)
    mirrored = np.rint((left * [-1, 1, 1] - origin) / 4.0).astype(int)
    assert field[tuple(index)][1] < -3.0
    assert abs(field[tuple(mirrored)][1]) < 0.5


def test_that_every_parcel_is_found_at_its_place() -> None:
    labels = template_volumes()[1]
    assert (np.bincount(labels.ravel(), minlength=427)[1:427] >= 7).all()
    inside = np.argwhere(labels == 12)[::37] + np.array([-96.0, -132.0, -78.0])
    _, found, _ = sample_head(inside, AnatomySettings())
    assert (found == 12).all()
    assert sample_head(np.array([[500.0, 0, 0]]), AnatomySettings())[1][0] == 0


def test_that_tissue_shares_sum_to_one() -> None:
    values = np.linspace(0, 98, 50)
    shares = tissue_shares(values)
    assert np.allclose(sum(shares), 1.0)
    assert (tissue_shares(np.array([30.0]))[0], tissue_shares(np.array([90.0]))[2]) == (1.0, 1.0)
    assert min(s.min() for s in shares) >= 0


def test_that_rotations_follow_the_convention_rz_ry_rx() -> None:
    quarter = np.pi / 2
    assert np.allclose(rotation_matrix(np.array([quarter, 0, 0])) @ [0, 1, 0], [0, 0, 1])
    assert np.allclose(rotation_matrix(np.array([0, quarter, 0])) @ [0, 0, 1], [1, 0, 0])
    assert np.allclose(rotation_matrix(np.array([0, 0, quarter])) @ [1, 0, 0], [0, 1, 0])
    both = rotation_matrix(np.array([quarter, 0, quarter])) @ [0, 1, 0]
    assert np.allclose(both, [0, 0, 1])  # first about x, then about z


@pytest.mark.parametrize("seed", [1, 2])
def test_that_left_stays_left(seed: int) -> None:
    placed = draw_anatomy(seed, AnatomySettings()).template_to_scanner(parcel_table().centroids_mm)
    left = np.array(parcel_table().hemispheres) == "L"
    assert placed[left, 0].mean() < placed[~left, 0].mean() - 30
