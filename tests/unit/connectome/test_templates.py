"""The template's tissue maps make anatomical sense, and left is not right."""

from __future__ import annotations

import time

import numpy as np
import pytest

from app.connectome.atlases import load_atlas
from app.connectome.templates import class_levels, load_template
from app.core.errors import AppError


@pytest.fixture(scope="module")
def template():
    """The template, derived once for all tests of this file."""
    return load_template()


def test_that_all_maps_share_the_2_mm_grid_of_the_atlas(template):
    labels = load_atlas().labels_2mm
    for image in (template.t1_2mm, template.grey_2mm, template.epi_contrast_2mm):
        assert image.data.shape == labels.data.shape == (97, 115, 97)
        assert image.data.dtype == np.float32
        np.testing.assert_array_equal(image.affine, labels.affine)
        assert image.space == "MNI152NLin2009cAsym"
        assert not image.data.flags.writeable
    assert template.brain_mask_2mm.data.dtype == bool
    assert template.t1_1mm.data.shape == (193, 229, 193)


def test_that_tissues_sum_to_one_inside_the_brain_only(template):
    inside = template.brain_mask_2mm.data
    total = template.grey_2mm.data + template.white_2mm.data + template.csf_2mm.data
    assert np.abs(total[inside] - 1).max() < 1e-5
    assert total[~inside].max() == 0
    assert 1.6e6 < inside.sum() * 8 < 2.1e6  # mm3


def at(image, *mm):
    """Value at a place in mm."""
    voxel = np.rint(np.linalg.inv(image.affine) @ [*mm, 1])[:3].astype(int)
    return float(image.data[tuple(voxel)])


def test_that_known_places_have_their_tissue(template):
    assert at(template.csf_2mm, -6, 14, 10) > 0.7  # left lateral ventricle, anterior horn
    assert at(template.csf_2mm, 6, 14, 10) > 0.7
    assert at(template.white_2mm, -26, -20, 32) > 0.9  # corona radiata
    assert at(template.white_2mm, 26, -20, 32) > 0.9
    assert at(template.white_2mm, 0, 24, 2) > 0.5  # genu of the corpus callosum
    for x in (-12, 12):
        assert at(template.grey_2mm, x, 10, 10) > 0.7  # caudate
        assert at(template.grey_2mm, 2 * x, 2, 2) > 0.8  # putamen
        assert at(template.grey_2mm, x, -18, 8) > 0.8  # thalamus


def test_that_parcels_lie_in_grey_matter(template):
    labels = load_atlas().labels_2mm.data
    cortex, deep = (labels > 0) & (labels <= 360), labels > 360
    assert template.grey_2mm.data[cortex].mean() > 0.65
    assert template.grey_2mm.data[deep].mean() > 0.8


def test_that_epi_contrast_has_bright_fluid_and_dark_white_matter(template):
    epi = template.epi_contrast_2mm.data
    means = [
        epi[image.data > 0.9].mean()
        for image in (template.csf_2mm, template.grey_2mm, template.white_2mm)
    ]
    assert means[0] > means[1] + 0.1
    assert means[1] > means[2] + 0.1


def test_that_the_template_is_asymmetric(template):
    brain = template.brain_mask_2mm.data
    t1 = template.t1_2mm.data
    assert np.corrcoef(t1[brain], t1[::-1][brain])[0, 1] < 0.9


def test_that_the_second_load_is_quick_and_equal_to_the_bit(template):
    load_template.cache_clear()
    load_template()  # fills this test's own cache folder
    load_template.cache_clear()
    began = time.perf_counter()
    again = load_template()
    assert time.perf_counter() - began < 1.0  # 0.05 s on an idle machine
    for name in ("grey_2mm", "epi_contrast_2mm", "t1_2mm"):
        np.testing.assert_array_equal(getattr(again, name).data, getattr(template, name).data)


def test_that_planted_levels_are_found():
    rng = np.random.default_rng(5)
    planted = [(20, 3, 2000), (65, 5, 30000), (88, 3, 20000)]
    values = np.concatenate([rng.normal(m, s, n) for m, s, n in planted]).round().clip(0, 99)
    fluid, grey, white = class_levels(values)
    assert abs(fluid - 19) <= 3
    assert abs(grey - 65) <= 1
    assert abs(white - 88) <= 1


def test_that_an_unknown_template_is_refused():
    with pytest.raises(AppError) as caught:
        load_template("colin27")
    assert caught.value.code == "connectome.unknown_template"
