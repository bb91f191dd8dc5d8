"""Both routes to the template on a simulated head whose place is known, and which one is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from app.connectome.atlases import load_atlas
from app.connectome.templates import Template
from app.core.errors import PreprocessingError
from app.core.images import Image3D, Image4D, SpatialMap
from app.core.progress import Progress
from app.preprocessing.brain_mask import FoundMask, find_brain_mask
from app.preprocessing.deformable import WarpSettings
from app.preprocessing.placement import TemplateImages, place_directly, place_through_t1
from app.preprocessing.reference import make_boldref
from app.preprocessing.spatial_map import to_scanner
from app.preprocessing.t1_route import T1Templates, choose_route, register_through_t1
from app.scans.volume import read_volume
from app.simulation.bids import write_t1w
from app.simulation.cohort import CohortSettings
from app.simulation.scan import ScanTruth, simulate_volumes
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings

QUICK = WarpSettings(levels=((4, 30), (2, 25), (1, 4)))


@dataclass(frozen=True)
class Head:
    boldref: Image3D
    mask: FoundMask
    t1: Image3D
    truth: ScanTruth
    direct: SpatialMap


@pytest.fixture(scope="module")
def images(template: Template) -> TemplateImages:
    return TemplateImages(
        template.epi_contrast_2mm,
        template.brain_mask_2mm,
        template.csf_2mm,
        template.white_2mm,
        template.t1_2mm,
    )


@pytest.fixture(scope="module")
def t1_templates(template: Template) -> T1Templates:
    return T1Templates(template.t1_2mm, template.brain_mask_2mm, template.epi_contrast_2mm)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, images: TemplateImages) -> Head:
    """A still head without distortion: what the EPI shows is where the T1 says it is."""
    scanner = replace(
        SMALL_SCANNER, shape=(46, 52, 34), voxel_mm=(4.0, 4.2, 4.6), distortion_mm=0.0,
        motion=0.0, t1w_mm=2.0, discarded_frames=6,
    )  # fmt: skip
    settings = ParticipantSettings(CohortSettings(count=1, seed=2, frames=21), 0, scanner)
    volumes = simulate_volumes(settings)
    path = tmp_path_factory.mktemp("anat") / "sub-x_T1w.nii.gz"
    write_t1w(path, volumes, settings.anatomy, scanner)
    image = Image4D(volumes.data, volumes.affine, volumes.repetition_time_s)
    boldref = make_boldref(image, None)
    mask = find_brain_mask(boldref)
    direct = place_directly(boldref, mask, images, raw=True, seed=1, progress=Progress())
    return Head(boldref, mask, read_volume(path, "t1"), volumes.truth, direct)


@pytest.fixture(scope="module")
def through_t1(head: Head, t1_templates: T1Templates) -> SpatialMap:
    return register_through_t1(
        head.boldref, head.mask.image, head.t1, t1_templates, seed=1, warp=QUICK
    )


def _error_mm(found: SpatialMap, truth: ScanTruth) -> np.ndarray:
    centroids = np.asarray(load_atlas("HCPEx").centroids_mm)
    true = truth.anatomy.template_to_scanner(centroids)
    return np.linalg.norm(to_scanner(found, centroids) - true, axis=1)


def test_that_the_t1_route_is_more_accurate_and_kept_where_nothing_is_distorted(
    head: Head, through_t1: SpatialMap, t1_templates: T1Templates
) -> None:
    ours, other = _error_mm(head.direct, head.truth), _error_mm(through_t1, head.truth)
    print(f"median error direct {np.median(ours):.2f} mm, through T1 {np.median(other):.2f} mm")
    assert np.median(other) < np.median(ours) <= 1.5
    assert np.quantile(other, 0.95) <= 2.0
    kept = choose_route(head.direct, through_t1, head.boldref, head.mask.image, t1_templates)
    assert kept.route == "t1"
    scores = dict(kept.route_scores)
    assert scores["t1"] > scores["direct"]
    assert "Route kept: t1" in kept.notes[-1]
    np.testing.assert_array_equal(kept.affine, through_t1.affine)


def test_that_a_t1_image_of_mirrored_anatomy_is_dropped(
    head: Head, t1_templates: T1Templates, through_t1: SpatialMap
) -> None:
    mirrored = replace(head.t1, data=np.ascontiguousarray(np.asarray(head.t1.data)[::-1]))
    wrong = register_through_t1(
        head.boldref, head.mask.image, mirrored, t1_templates, seed=1, warp=QUICK
    )
    assert np.median(_error_mm(wrong, head.truth)) > 2 * np.median(
        _error_mm(head.direct, head.truth)
    )
    kept = choose_route(head.direct, wrong, head.boldref, head.mask.image, t1_templates)
    assert kept.route == "direct"
    assert set(dict(kept.route_scores)) == {"direct", "t1"}


def test_that_a_corrupted_t1_image_leaves_the_direct_route_with_a_reason(
    head: Head, images: TemplateImages
) -> None:
    noise = np.random.default_rng(0).integers(0, 900, head.t1.data.shape).astype(np.int16)
    kept = place_through_t1(
        head.direct, head.boldref, head.mask, replace(head.t1, data=noise), images,
        seed=1, progress=Progress(),
    )  # fmt: skip
    assert kept.route == "direct"
    assert "The T1 image was not used" in kept.notes[-1]


def test_that_an_empty_t1_image_is_one_clear_error(head: Head, t1_templates: T1Templates) -> None:
    empty = replace(head.t1, data=np.zeros(head.t1.data.shape, np.int16))
    with pytest.raises(PreprocessingError, match="no signal"):
        register_through_t1(head.boldref, head.mask.image, empty, t1_templates, seed=1)


def test_that_the_t1_file_door_gives_the_place_and_the_values(tmp_path: Path) -> None:
    import nibabel

    data = np.arange(7 * 8 * 9, dtype=np.int16).reshape(7, 8, 9)
    affine = np.diag([-2.0, 3.0, 2.5, 1.0])
    affine[:3, 3] = [20.0, -30.0, 5.0]
    nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / "t1.nii.gz")
    found = read_volume(tmp_path / "t1.nii.gz", "t1")
    np.testing.assert_array_equal(found.data, data[::-1])
    assert found.affine[0, 0] == 2.0
    assert found.affine[0, 3] == pytest.approx(20.0 - 2.0 * 6)
