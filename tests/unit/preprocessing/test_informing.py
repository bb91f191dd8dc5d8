"""Measures without limits, with answers known by hand or from their definition's own code."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.images import Image3D
from app.preprocessing.compcor import compcor
from app.preprocessing.frame_reading import VoxelMoments
from app.preprocessing.framewise import breathing_filtered, framewise_displacement_power
from app.preprocessing.informing import (
    ghost_ratio,
    global_correlation,
    outlier_ratio,
    quality_index,
    temporal_snr_map,
)
from app.preprocessing.spatial_map import normalised_mutual_information


def test_that_global_correlation_is_one_for_one_signal_and_small_for_noise() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(120, 1)) * rng.uniform(1, 5, (1, 40)) + 500
    assert global_correlation(shared) == pytest.approx(1.0)
    noise = rng.normal(size=(120, 400)) + 500
    assert global_correlation(noise) == pytest.approx(1 / 400, rel=0.5)
    # GCOR is the mean of all entries of the correlation matrix (Saad 2013).
    mixed = noise[:, :30] + rng.normal(size=(120, 1))
    assert global_correlation(mixed) == pytest.approx(np.corrcoef(mixed.T).mean())


def test_that_outliers_are_counted() -> None:
    voxels = np.random.default_rng(1).normal(size=(200, 50))
    before = outlier_ratio(voxels)
    assert before < 1e-3
    voxels[100] += 40.0
    assert outlier_ratio(voxels) - before == pytest.approx(1 / 200, rel=0.05)


def test_that_the_quality_index_is_zero_for_equal_volumes_and_rises_with_noise() -> None:
    volume = np.random.default_rng(2).uniform(100, 900, 500)
    still = np.repeat(volume[None], 12, axis=0)
    assert quality_index(still) == pytest.approx(0.0, abs=1e-12)
    noisy = still + np.random.default_rng(3).normal(0, 200, still.shape)
    assert 0.05 < quality_index(noisy) < 1.0


def test_that_a_planted_ghost_is_measured_along_its_axis() -> None:
    brain = np.zeros((20, 24, 11), bool)
    brain[6:14, 2:10, 3:8] = True
    values = np.where(brain, 1000.0, 10.0)
    values[6:14, 14:22, 3:8] += 50.0
    boldref = Image3D(values, np.eye(4), "scanner")
    mask = Image3D(brain, np.eye(4), "scanner")
    assert ghost_ratio(boldref, mask, 1) == pytest.approx(0.05, rel=0.01)
    assert abs(ghost_ratio(boldref, mask, 0)) < 0.01


def test_that_the_map_of_signal_to_noise_equals_its_definition() -> None:
    rng = np.random.default_rng(4)
    time = np.linspace(-1, 1, 80)
    series = 800 + 30 * time[:, None] - 9 * time[:, None] ** 2 + rng.normal(0, 8, (80, 6))
    moments = VoxelMoments(
        80,
        np.stack([series.sum(0), (series**2).sum(0), time @ series, time**2 @ series]),
        np.array([(time**power).sum() for power in range(5)]),
    )
    mask = np.zeros((2, 3, 4), bool)
    mask.ravel()[[1, 5, 7, 11, 13, 20]] = True
    found = np.asarray(temporal_snr_map(moments, Image3D(mask, np.eye(4), "scanner")).data)
    fit = np.polynomial.polynomial.polyfit(time, series, 2)
    rest = series - np.polynomial.polynomial.polyval(time, fit).T
    np.testing.assert_allclose(found[mask], series.mean(0) / rest.std(0), rtol=1e-4)
    assert (found[~mask] == 0).all()


def test_that_compcor_finds_planted_noise_and_says_how_much_it_explains() -> None:
    rng = np.random.default_rng(5)
    planted = rng.normal(size=100)
    white = 500 + rng.normal(size=(100, 60)) + 3 * planted[:, None]
    csf = 900 + rng.normal(size=(100, 40))
    brain = 700 + rng.normal(size=(100, 1500))
    groups = np.repeat([0, 1], [60, 40])
    found = compcor(brain, np.concatenate([white, csf], axis=1), groups, {})
    assert abs(np.corrcoef(found.columns["w_comp_cor_00"], planted)[0, 1]) > 0.99
    facts = found.facts["w_comp_cor_00"]
    assert facts["Mask"] == "WM" and facts["Method"] == "aCompCor"
    assert 0.8 < float(str(facts["VarianceExplained"])) < 0.95
    kept = [name for name in found.columns if name.startswith("c_")]
    assert float(str(found.facts[kept[-1]]["CumulativeVarianceExplained"])) >= 0.5
    assert float(str(found.facts[kept[-2]]["CumulativeVarianceExplained"])) < 0.5
    matrix = np.column_stack([found.columns[name] for name in kept])
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(len(kept)), atol=1e-9)


def test_that_breathing_is_filtered_from_displacement_where_the_band_exists() -> None:
    seconds = np.arange(400) * 0.8
    parameters = np.zeros((400, 6))
    parameters[:, 1] = 0.3 * np.sin(2 * np.pi * 0.25 * seconds)
    calm = breathing_filtered(parameters, 0.8)
    assert calm is not None
    raw = np.nanmean(framewise_displacement_power(parameters))
    assert np.nanmean(framewise_displacement_power(calm)) < 0.1 * raw
    assert breathing_filtered(parameters, 5.5) is None
    assert breathing_filtered(parameters[:20], 0.8) is None


def test_that_mutual_information_is_two_for_equal_and_near_one_for_independent_values() -> None:
    values = np.random.default_rng(6).uniform(size=60_000)
    assert normalised_mutual_information(values, values) == pytest.approx(2.0)
    assert normalised_mutual_information(values, 3 - 7 * values) == pytest.approx(2.0, abs=0.02)
    other = np.random.default_rng(7).uniform(size=60_000)
    assert normalised_mutual_information(values, other) == pytest.approx(1.0, abs=0.005)
