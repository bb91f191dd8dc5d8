"""The map to the template against a known affine and warp; and transforms crossing to ITK."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest

from app.connectome.atlases import load_atlas
from app.connectome.templates import Template
from app.core.arrays import Floats
from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.progress import Progress
from app.preprocessing import ants_bridge
from app.preprocessing import registration as room
from app.preprocessing.brain_mask import FoundMask, find_brain_mask, refine_brain_mask
from app.preprocessing.deformable import WarpSettings, find_warp
from app.preprocessing.edge_offset import edge_offset_mm
from app.preprocessing.geometry import apply_affine, rotation_matrix
from app.preprocessing.reference import make_boldref
from app.preprocessing.registration import (
    identity_registration,
    left_right_margin,
    register_to_template,
)
from app.preprocessing.spatial_map import to_scanner
from tests.unit.preprocessing.conftest import Phantom, make_phantom


@dataclass(frozen=True)
class Registered:
    phantom: Phantom
    boldref: Image3D
    mask: Image3D
    spatial_map: SpatialMap


def registered(template: Template, *, seed: int, mirrored: bool = False) -> Registered:
    phantom = make_phantom(template, np.zeros((2, 6)), seed=seed, mirrored=mirrored)
    boldref = make_boldref(phantom.image, None)
    mask = find_brain_mask(boldref).image
    spatial_map = register_to_template(
        boldref, mask, template.epi_contrast_2mm, template.brain_mask_2mm, seed=7
    )
    return Registered(phantom, boldref, mask, spatial_map)


@pytest.fixture(scope="module")
def plain(template: Template) -> Registered:
    return registered(template, seed=11)


@pytest.mark.parametrize(
    ("planted", "least", "most"),
    [
        (np.eye(4), 0.0, 1.0),
        (np.array([[1.0, 0, 0, 3], [0, 1, 0, -3], [0, 0, 1, 3], [0, 0, 0, 1]]), 4.0, 6.5),
        (np.diag([1.12, 1.12, 1.12, 1.0]), 4.0, 9.0),
    ],
)
def test_that_edges_tell_how_far_a_place_is_off(
    plain: Registered, template: Template, planted: Floats, least: float, most: float
) -> None:
    """5.2 mm along no axis; a size of 12 %, about its middle, moves the median point by 6 mm."""
    middle = to_scanner(plain.spatial_map, np.array([[0.0, -18.0, 10.0]]))[0]
    about = np.eye(4)
    about[:3, 3] = middle
    wrong = about @ planted @ np.linalg.inv(about)
    found = edge_offset_mm(
        plain.boldref,
        plain.mask,
        replace(plain.spatial_map, affine=wrong @ plain.spatial_map.affine),
        template.epi_contrast_2mm,
        template.brain_mask_2mm,
    )
    assert least <= found <= most


def test_that_parcel_centres_are_found_to_a_millimetre_and_a_half(
    plain: Registered, template: Template
) -> None:
    centroids = np.asarray(load_atlas("HCPEx").centroids_mm)
    true = plain.phantom.scanner_mm(template, centroids, 0)
    error = np.linalg.norm(to_scanner(plain.spatial_map, centroids) - true, axis=1)
    assert np.median(error) <= 1.5
    assert np.quantile(error, 0.95) <= 3.0


def test_that_the_warp_is_kept_only_because_it_scores_better(plain: Registered) -> None:
    found = plain.spatial_map
    assert found.method == "affine+warp"
    assert found.similarity_after > found.similarity_before
    assert found.mask_dice > 0.92
    assert 0.3 <= found.jacobian_range[0] <= found.jacobian_range[1] <= 3.0
    assert found.template == "MNI152NLin2009cAsym"


def test_that_the_same_seed_gives_the_same_bits(plain: Registered, template: Template) -> None:
    again = register_to_template(
        plain.boldref, plain.mask, template.epi_contrast_2mm, template.brain_mask_2mm, seed=7
    )
    np.testing.assert_array_equal(again.affine, plain.spatial_map.affine)
    np.testing.assert_array_equal(again.displacement_mm, plain.spatial_map.displacement_mm)


def test_that_a_failed_affine_fit_is_noted_and_the_coarse_search_stands_in(
    plain: Registered, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise PreprocessingError("no", "", code="preprocessing.registration_failed")

    monkeypatch.setattr(room, "affine_registration", fail)
    found = register_to_template(
        plain.boldref, plain.mask, template.epi_contrast_2mm, template.brain_mask_2mm, seed=7
    )
    assert "coarse search" in found.notes[0]
    centroids = np.asarray(load_atlas("HCPEx").centroids_mm)
    true = plain.phantom.scanner_mm(template, centroids, 0)
    error = np.linalg.norm(to_scanner(found, centroids) - true, axis=1)
    assert np.median(error) < 6.0
    assert found.similarity_after < plain.spatial_map.similarity_after


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"displacement_mm": 40.0}, "Jacobian"),
        ({"displacement_mm": -3.0}, "correlation fell"),
    ],
)
def test_that_a_warp_that_bends_too_far_or_scores_lower_is_turned_down(
    plain: Registered, template: Template, change: dict[str, float], word: str
) -> None:
    good = plain.spatial_map
    affine_only = room.with_scores(
        replace(good, displacement_mm=None, displacement_affine=None, method="affine"),
        plain.boldref, plain.mask, template.epi_contrast_2mm, template.brain_mask_2mm,
    )  # fmt: skip
    assert good.displacement_mm is not None
    bent = replace(
        good, displacement_mm=np.asarray(good.displacement_mm) * change["displacement_mm"]
    )
    kept = room.keep_better(
        affine_only, bent, plain.boldref, plain.mask, template.epi_contrast_2mm,
        template.brain_mask_2mm,
    )  # fmt: skip
    assert kept.method == "affine"
    assert kept.displacement_mm is None
    assert word in kept.notes[-1] and kept.notes[-1].startswith("Affine only")


def test_that_a_mirrored_head_is_noticed(plain: Registered, template: Template) -> None:
    mirrored = registered(template, seed=11, mirrored=True)
    margins = [
        left_right_margin(
            one.boldref, one.spatial_map, template.epi_contrast_2mm, template.brain_mask_2mm
        )
        for one in (plain, mirrored)
    ]
    assert margins[0] > 0.3
    assert margins[1] < 0.1


def test_that_the_refined_mask_lies_inside_both(plain: Registered, template: Template) -> None:
    found = FoundMask(plain.mask, "histogram", 1400.0)
    narrowed = refine_brain_mask(found, plain.boldref, plain.spatial_map, template.brain_mask_2mm)
    refined = narrowed.image
    assert "template" in narrowed.method
    assert not (refined.data & ~plain.mask.data).any()
    assert refined.data.sum() > 0.9 * plain.mask.data.sum()


def test_that_a_run_in_the_template_gets_the_identity_with_its_scores(
    template: Template,
) -> None:
    boldref = Image3D(
        np.asarray(template.epi_contrast_2mm.data)[::2, ::2, ::2] * 900.0,
        template.epi_contrast_2mm.affine @ np.diag([2.0, 2.0, 2.0, 1.0]),
        template.name,
    )
    found = identity_registration(
        boldref, find_brain_mask(boldref).image, template.epi_contrast_2mm, template.brain_mask_2mm
    )
    np.testing.assert_array_equal(found.affine, np.eye(4))
    assert found.method == "identity"
    assert found.similarity_after > 0.9
    assert found.mask_dice > 0.92


def test_that_affines_survive_the_way_to_itk_and_back() -> None:
    ants = ants_bridge.import_ants()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(np.array([0.2, -0.1, 0.4])) @ np.diag([1.1, 0.9, 1.0])
    matrix[:3, 3] = [5.0, -6.0, 7.0]
    transform = ants_bridge._to_itk_affine(ants, matrix)
    np.testing.assert_allclose(ants_bridge._from_itk_affine(transform), matrix, atol=1e-5)
    ras = np.array([10.0, 20.0, 30.0])
    lps = np.asarray(transform.apply_to_point(tuple(ras * [-1, -1, 1])))
    np.testing.assert_allclose(lps * [-1, -1, 1], apply_affine(matrix, ras[None])[0], atol=1e-4)


def test_that_ants_resamples_with_our_matrix_as_we_do() -> None:
    ants = ants_bridge.import_ants()
    rng = np.random.default_rng(3)
    blob = np.zeros((24, 26, 22), np.float32)
    blob[8:14, 9:18, 7:12] = rng.uniform(1, 2, (6, 9, 5))
    moving_affine = np.eye(4)
    moving_affine[:3, :3] = rotation_matrix(np.array([0.1, 0.0, 0.2])) @ np.diag([3.0, 3.0, 3.5])
    moving_affine[:3, 3] = [-30.0, -35.0, -30.0]
    fixed_affine = np.diag([2.5, 3.0, 2.8, 1.0])
    fixed_affine[:3, 3] = [-25.0, -30.0, -28.0]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(np.array([0.0, 0.15, -0.1]))
    matrix[:3, 3] = [2.0, 3.0, -4.0]
    fixed = ants_bridge.to_ants(np.zeros((20, 21, 19), np.float32), fixed_affine)
    theirs = (
        ants_bridge._to_itk_affine(ants, matrix)
        .apply_to_image(
            ants_bridge.to_ants(blob, moving_affine), reference=fixed, interpolation="linear"
        )
        .numpy()
    )
    from app.preprocessing.spatial_map import warp_volume_to_template

    spatial_map = SpatialMap("T", matrix, None, None, "affine", 0, 0, 0, (1, 1))
    ours = warp_volume_to_template(
        Image3D(blob, moving_affine, "scanner"), spatial_map, fixed_affine, (20, 21, 19), order=1
    )
    assert ours.data.max() > 1
    np.testing.assert_allclose(ours.data, theirs, atol=2e-3)


def test_that_ants_leaves_no_files_behind(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rng = np.random.default_rng(0)
    from scipy import ndimage

    volume = ndimage.gaussian_filter(rng.uniform(0, 1, (20, 22, 18)), 2.0).astype(np.float32)
    image = Image3D(volume, np.diag([4.0, 4.0, 4.0, 1.0]), "T")
    ants_bridge.affine_registration(image, image, np.ones(volume.shape, bool), np.eye(4), seed=1)
    assert os.listdir(tmp_path) == []


def smooth_blobs(shape: tuple[int, int, int], seed: int) -> Floats:
    from scipy import ndimage

    noise = np.random.default_rng(seed).normal(size=shape)
    return np.asarray(ndimage.gaussian_filter(noise, 2.0) + 0.2, np.float32)


def test_that_a_known_warp_is_found_without_folding() -> None:
    from scipy import ndimage

    shape = (30, 34, 28)
    moving = smooth_blobs(shape, 1)
    grid = np.indices(shape).astype(float)
    true = 1.5 * np.sin(grid[[1, 2, 0]] / 7.0)
    fixed = ndimage.map_coordinates(moving, grid + true, order=3, mode="nearest")
    found = find_warp(fixed.astype(np.float32), moving, WarpSettings(elastic_sigma=0.7), Progress())
    inner = (slice(5, -5),) * 3
    error = np.linalg.norm(np.moveaxis(found, -1, 0) - true, axis=0)[inner]
    before = np.linalg.norm(true, axis=0)[inner]
    assert np.median(error) < 0.25 * np.median(before)


def test_that_equal_images_need_no_warp() -> None:
    image = smooth_blobs((20, 24, 18), 2)
    found = find_warp(image, image)
    assert np.abs(found).max() < 0.35


def test_that_a_place_beside_the_template_gets_no_warp_and_says_so(
    plain: Registered, template: Template
) -> None:
    """A lost affine fit must end at the gate, not in a crash."""
    away = np.eye(4)
    away[:3, 3] = 500.0
    lost = room.affine_map(template.name, away, "affine")
    fixed, _ = room.working_grid(template.epi_contrast_2mm, template.brain_mask_2mm, 4.0)
    found = room.bent(lost, plain.boldref, fixed, WarpSettings(), Progress())
    assert found.displacement_mm is None
    assert "does not meet the template" in found.notes[-1]
    pair = (template.epi_contrast_2mm, template.brain_mask_2mm)
    assert np.isnan(edge_offset_mm(plain.boldref, plain.mask, found, *pair))
    scored = room.with_scores(found, plain.boldref, plain.mask, *pair)
    assert scored.mask_dice == 0.0
    assert not scored.similarity_after > 0.0
    assert not left_right_margin(plain.boldref, found, *pair) > 0.0
