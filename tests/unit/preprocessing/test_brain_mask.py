"""Fallbacks of the brain mask: each is noted, none is silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.connectome.templates import Template
from app.core.errors import PreprocessingError
from app.core.images import Image3D
from app.preprocessing import brain_mask as room
from app.preprocessing.brain_mask import FoundMask, find_brain_mask, refine_brain_mask
from app.preprocessing.spatial_map import identity_map


@pytest.fixture(scope="module")
def boldref(template: Template) -> Image3D:
    epi = template.epi_contrast_2mm
    affine = epi.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    return Image3D(np.asarray(epi.data, np.float32)[::2, ::2, ::2] * 900.0, affine, "scanner")


def _fail(*_given: object) -> None:
    raise RuntimeError("ITK")


def test_that_a_plain_brain_needs_no_fallback(boldref: Image3D) -> None:
    found = find_brain_mask(boldref)
    assert found.notes == ()
    assert found.method == "N4, histogram of EPI"
    assert 1000.0 < found.volume_ml < 2500.0


def test_that_the_mask_is_found_without_bias_correction(
    boldref: Image3D, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = find_brain_mask(boldref)
    monkeypatch.setattr(room, "correct_bias", _fail)
    found = find_brain_mask(boldref)
    assert "N4" in found.notes[0]
    assert "N4" not in found.method
    both = np.asarray(found.image.data) & np.asarray(whole.image.data)
    assert both.sum() > 0.9 * whole.image.data.sum()


def test_that_a_threshold_stands_in_for_an_impossible_histogram_mask(
    boldref: Image3D, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_epi_mask", lambda *_: np.zeros(boldref.data.shape, bool))
    found = find_brain_mask(boldref)
    assert found.method == "threshold"
    assert "impossible brain mask (0 ml)" in found.notes[0]
    assert found.volume_ml > 1000.0


def test_that_the_scans_mask_stands_alone_where_the_template_lies_elsewhere(
    boldref: Image3D, template: Template
) -> None:
    found = FoundMask(Image3D(boldref.data > 200, boldref.affine, "scanner"), "x", 1400.0)
    away = np.eye(4)
    away[:3, 3] = 400.0
    moved = replace(identity_map(template.name), affine=away)
    kept = refine_brain_mask(found, boldref, moved, template.brain_mask_2mm)
    assert "stands alone" in kept.notes[0]
    np.testing.assert_array_equal(kept.image.data, found.image.data)


def test_that_an_image_without_a_brain_is_refused(boldref: Image3D) -> None:
    values = np.zeros(boldref.data.shape, np.float32)
    values[10:14, 10:14, 10:14] = 500.0
    with pytest.raises(PreprocessingError, match="brain-like signal"):
        find_brain_mask(replace(boldref, data=values))
