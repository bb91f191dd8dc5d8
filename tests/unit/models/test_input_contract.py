"""Windows keep their contract: nothing padded, nothing filled in silence, every change said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.core.errors import ModelError
from app.models.input_contract import PERCENT_SCALED, InputContract, windows_of

CONTRACT = InputContract(parcel_count=5, window_frames=20, normalisation="demean")


def _series(frames: int, parcels: int = 5) -> np.ndarray:
    rng = np.random.default_rng(frames)
    return 100 + rng.standard_normal((frames, parcels)).cumsum(axis=0)


def refusal(series: np.ndarray, contract: InputContract, interval_s: float | None = 2.0) -> str:
    with pytest.raises(ModelError) as caught:
        windows_of(series, interval_s, contract)
    assert caught.value.hint
    return caught.value.code


def test_that_windows_cover_the_whole_scan_and_the_last_lies_flush_right() -> None:
    series = _series(47)
    found = windows_of(series, 5.2, CONTRACT)
    assert found.starts == (0, 10, 20, 27)
    assert found.values.shape == (4, 5, 20)
    assert found.values.dtype == np.float32
    centred = series - series.mean(axis=0)
    np.testing.assert_allclose(found.values[3], centred[27:].T, rtol=1e-6)
    assert found.notes == ()


def test_that_little_time_is_told_whatever_the_number_of_frames() -> None:
    assert "1.6 minutes" in windows_of(_series(47), 2.0, CONTRACT).notes[-1]
    assert windows_of(_series(120), 2.0, CONTRACT).notes == ()
    assert "4.0 minutes" in windows_of(_series(119), 2.0, CONTRACT).notes[-1]


def test_that_statistics_are_of_the_whole_scan_not_of_the_window() -> None:
    series = _series(60)
    found = windows_of(series, 2.0, CONTRACT)
    assert abs(found.values[0].mean()) > 0.05
    np.testing.assert_allclose(
        found.values[[0, 2, 4]].mean(axis=(0, 2)), 0, atol=1e-5
    )  # the three that do not overlap


def test_that_exactly_one_window_is_enough_and_one_frame_less_is_not() -> None:
    assert windows_of(_series(20), 2.0, CONTRACT).starts == (0,)
    assert refusal(_series(19), CONTRACT) == "model.too_short"


def test_that_a_short_scan_is_mirrored_only_where_the_contract_allows_and_it_is_said() -> None:
    reflect = replace(CONTRACT, short_scans="reflect", normalisation="raw")
    series = _series(13)
    found = windows_of(series, 2.0, reflect)
    np.testing.assert_allclose(found.values[0, :, :13], series.T, rtol=1e-6)
    np.testing.assert_allclose(found.values[0, :, 13], series[11], rtol=1e-6)
    np.testing.assert_allclose(found.values[0, :, 19], series[5], rtol=1e-6)
    assert not (found.values == 0).any()
    assert any("13 of 20 frames" in note for note in found.notes)
    assert windows_of(_series(11), 2.0, reflect).frame_count == 20
    assert refusal(_series(10), reflect) == "model.too_short"


def test_that_physical_time_is_resampled_and_said() -> None:
    found = windows_of(_series(47), 2.0, replace(CONTRACT, repetition_time_policy="physical"))
    assert found.repetition_time_s == 0.735
    assert found.frame_count == int(46 * 2.0 / 0.735) + 1
    assert "0.735" in found.notes[0]
    frames = replace(CONTRACT, repetition_time_policy="frames")
    assert windows_of(_series(47), 2.0, frames).repetition_time_s == 2.0


def test_that_the_minimum_counts_after_resampling() -> None:
    physical = replace(CONTRACT, repetition_time_policy="physical")
    assert windows_of(_series(9), 2.0, physical).starts == (0, 2)  # 16 s hold 22 frames
    assert refusal(_series(30), physical, 0.3) == "model.too_short"


@pytest.mark.parametrize("interval_s", [None, 0.0025, 2000.0])
def test_that_physical_time_needs_a_repetition_time_that_can_be_true(interval_s) -> None:
    physical = replace(CONTRACT, repetition_time_policy="physical")
    assert refusal(_series(40), physical, interval_s) == "model.repetition_time"


def test_that_frames_work_without_a_repetition_time_but_it_is_said() -> None:
    found = windows_of(_series(40), None, CONTRACT)
    assert found.repetition_time_s is None
    assert "not known" in found.notes[0]
    assert refusal(_series(40), CONTRACT, 0.0025) == "model.repetition_time"


def test_that_an_encoder_of_one_repetition_time_takes_no_other() -> None:
    fixed = replace(CONTRACT, repetition_time_s=2.0, repetition_time_tolerance_s=0.01)
    assert windows_of(_series(40), 2.005, fixed).repetition_time_s == 2.005
    assert refusal(_series(40), fixed, 2.2) == "model.repetition_time"
    assert refusal(_series(40), fixed, None) == "model.repetition_time"


@pytest.mark.parametrize("value", [np.nan, 0.0, 55.0])
def test_that_missing_parcels_are_refused_or_named_never_filled_in_silence(value: float) -> None:
    series = _series(40)
    series[:, 3] = value  # not measured, or never varying
    assert refusal(series, CONTRACT) == "model.missing_parcels"
    found = windows_of(series, 2.0, replace(CONTRACT, maximum_missing_parcels=1))
    np.testing.assert_array_equal(found.missing, [3])
    assert not found.values[:, 3].any()
    assert "1 of 5 parcels" in found.notes[0]
    raw = replace(CONTRACT, maximum_missing_parcels=1, normalisation="raw")
    assert refusal(series, raw) == "model.missing_parcels"  # 0 would be an intensity


def test_that_a_parcel_that_is_missing_in_some_frames_is_refused() -> None:
    series = _series(40)
    series[7, 2] = np.nan
    allowed = replace(CONTRACT, maximum_missing_parcels=5)
    assert refusal(series, allowed) == "model.missing_parcels"


def test_that_another_number_of_parcels_is_refused() -> None:
    assert refusal(_series(40, 6), CONTRACT) == "model.parcels"


def test_that_values_that_overflow_are_refused() -> None:
    series = _series(40)
    series[:, 1] *= 1e40  # fits a double, not a single
    assert refusal(series, CONTRACT) == "model.normalisation"


@pytest.mark.parametrize("field", ["repetition_time_policy", "short_scans"])
def test_that_unknown_rules_are_refused(field: str) -> None:
    assert refusal(_series(15), replace(CONTRACT, **{field: "zeros"})) == "model.contract"


def test_that_the_demonstrations_scale_is_a_constant() -> None:
    contract = replace(CONTRACT, normalisation=PERCENT_SCALED, scale_percent=0.5)
    series = _series(20) - 100
    found = windows_of(series, 2.0, contract)
    np.testing.assert_allclose(found.values[0], series.T / 0.5, rtol=1e-6)
