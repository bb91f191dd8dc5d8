"""The chain's own decisions; what its steps compute is tested with each step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from app.connectome.atlases import load_atlas
from app.connectome.templates import Template
from app.core.errors import PreprocessingError
from app.core.images import Image4D
from app.core.progress import Progress, ProgressEvent
from app.core.results import Verdict
from app.preprocessing.chain import Preprocessed, TemplateImages, preprocess
from app.preprocessing.presets import find_preset
from app.preprocessing.steps import STEPS, stage_weights


@pytest.fixture(scope="module")
def images(template: Template) -> TemplateImages:
    return TemplateImages(
        template.epi_contrast_2mm, template.brain_mask_2mm, template.csf_2mm, template.white_2mm
    )


@pytest.fixture(scope="module")
def in_template(template: Template) -> Image4D:
    """A run of 40 frames on a 4 mm grid of the template, with smooth noise."""
    epi = np.asarray(template.epi_contrast_2mm.data)[::2, ::2, ::2] * 1000.0
    noise = np.random.default_rng(0).normal(size=(*epi.shape, 40))
    data = epi[..., None] * (1.0 + 0.02 * ndimage.gaussian_filter(noise, (1, 1, 1, 0)))
    affine = template.epi_contrast_2mm.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    return Image4D(data.astype(np.float32), affine, 2.0, space=template.name)


@pytest.fixture(scope="module")
def events() -> list[ProgressEvent]:
    return []


@pytest.fixture(scope="module")
def result(
    in_template: Image4D, images: TemplateImages, events: list[ProgressEvent]
) -> Preprocessed:
    progress = Progress(report=events.append, weights=stage_weights())
    points = load_atlas("HCPEx").points
    return preprocess(in_template, points, images, find_preset("none"), progress=progress)


def test_that_a_run_in_the_template_is_not_moved(result: Preprocessed) -> None:
    assert result.spatial_map.method == "identity"
    assert np.nanmean(result.motion.framewise_displacement_mm) < 0.05
    assert result.spatial_map.mask_dice > 0.92


def test_that_all_parcels_have_series_and_a_short_run_is_withheld(result: Preprocessed) -> None:
    assert result.cleaned.percent.shape == (40, 426)
    assert np.isfinite(result.cleaned.percent).all()
    assert result.quality.verdict is Verdict.WITHHELD
    withheld = {m.name for m in result.quality.metrics if m.verdict is Verdict.WITHHELD}
    assert withheld == {"usable_time_s", "frames"}


def test_that_the_stages_told_are_the_steps_in_order(
    result: Preprocessed, events: list[ProgressEvent]
) -> None:
    told = list(dict.fromkeys(event.stage for event in events))
    assert told == [step.name for step in STEPS if not step.needs_t1]
    assert told == list(stage_weights())
    assert result.first_frame == 0
    assert set(stage_weights(with_t1=True)) - set(told) == {"anatomy"}


def test_that_every_decision_is_a_finding(result: Preprocessed) -> None:
    said = {finding.code: finding.message for finding in result.findings}
    assert "does not ask for it" in said["preprocessing.slice_timing"]
    assert "preprocessing.interpolation_fallback" not in said


def test_that_measures_without_a_limit_inform_and_do_not_judge(result: Preprocessed) -> None:
    told = {metric.name: metric for metric in result.quality.informing}
    assert {"global_correlation", "outlier_ratio", "quality_index", "ghost_ratio_y"} <= set(told)
    assert told["dummy_frames"].value == 0.0
    assert 0.0 < told["global_correlation"].value < 0.2
    assert all(metric.source for metric in (*result.quality.metrics, *told.values()))
    assert not set(told) & {metric.name for metric in result.quality.metrics}


def test_that_the_confound_table_is_complete(result: Preprocessed) -> None:
    names = set(result.confounds)
    assert {"a_comp_cor_00", "c_comp_cor_00", "w_comp_cor_00", "t_comp_cor_00", "rmsd"} <= names
    assert {f"global_signal{end}" for end in ("", "_derivative1", "_power2")} <= names
    assert {len(column) for column in result.confounds.values()} == {40}
    assert result.white.data.sum() > 100 and result.csf.data.sum() > 20
    assert not (result.white.data & result.csf.data).any()


def test_that_the_map_of_signal_to_noise_has_the_median_that_is_judged(
    result: Preprocessed,
) -> None:
    inside = np.asarray(result.temporal_snr_map.data)[np.asarray(result.mask.data)]
    assert np.median(inside) == pytest.approx(result.temporal_snr, rel=0.05)
    assert (np.asarray(result.temporal_snr_map.data)[~np.asarray(result.mask.data)] == 0).all()


def test_that_another_space_is_refused(in_template: Image4D, images: TemplateImages) -> None:
    elsewhere = replace(in_template, space="MNI152NLin6Asym")
    with pytest.raises(PreprocessingError, match="MNI152NLin6Asym"):
        preprocess(elsewhere, load_atlas("HCPEx").points, images, find_preset("none"))
