from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import PreprocessingError
from app.preprocessing.cleaning import (
    clean_series,
    good_frames,
    interpolate_flagged,
    residual_degrees_of_freedom,
)
from app.preprocessing.presets import MOTION_24, PRESETS, CleaningPreset, find_preset

FRAMES, PARCELS, TR = 230, 7, 2.0


def _made_up(seed: int = 3) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    names = (*MOTION_24, "white_matter", "csf")
    confounds = {name: np.cumsum(rng.normal(size=FRAMES)) * 0.01 for name in names}
    confounds["white_matter"] += 900.0
    raw = 1000.0 + rng.normal(size=(FRAMES, PARCELS)) * 8.0
    raw += np.outer(np.linspace(-20, 20, FRAMES), rng.normal(size=PARCELS))
    raw += 300.0 * np.outer(confounds["trans_x"], rng.normal(size=PARCELS))
    return raw, confounds


def _by_nilearn(
    raw: np.ndarray,
    regressors: list[np.ndarray],
    good: np.ndarray,
    band_hz: tuple[float | None, float | None],
) -> np.ndarray:
    """(good frame, parcel) as nilearn cleans it, with censored frames interpolated first."""
    from nilearn.signal import clean

    return clean(
        raw,
        confounds=np.column_stack(regressors) if regressors else None,
        sample_mask=np.flatnonzero(good),
        detrend=True,
        standardize=None,
        standardize_confounds=True,
        filter="butterworth" if band_hz != (None, None) else False,
        high_pass=band_hz[0],
        low_pass=band_hz[1],
        t_r=TR,
    )


@pytest.mark.parametrize(
    ("band", "flagged"),
    [
        ((0.01, None), ()),
        ((0.01, None), (40, 41, 100, 180)),
        ((0.01, 0.1), ()),
        ((0.01, 0.1), (40, 41, 100, 180)),
        ((None, None), ()),
    ],
)
def test_that_cleaning_equals_nilearn_on_the_good_frames(
    flagged: tuple[int, ...], band: tuple[float | None, float | None]
) -> None:
    raw, confounds = _made_up()
    good = np.ones(FRAMES, bool)
    good[list(flagged)] = False
    preset = CleaningPreset("test", tuple(confounds), band[0], band[1], 0.5, 1.5)
    ours = clean_series(raw, confounds, good, TR, preset).percent * raw[good].mean(0) / 100.0
    theirs = _by_nilearn(raw, list(confounds.values()), good, band)
    np.testing.assert_allclose(ours[good], theirs, atol=1e-8 * np.abs(theirs).max())


@pytest.mark.parametrize("flagged", [(), (3, 40, 41, 100, 180)])
@pytest.mark.parametrize("name", [preset.name for preset in PRESETS if preset.units == "percent"])
def test_that_every_preset_equals_nilearn_to_1e_10(name: str, flagged: tuple[int, ...]) -> None:
    if name == "none" and flagged:
        pytest.skip("without a filter nilearn censors before it takes out the trend")
    raw, confounds = _made_up()
    confounds["global_signal"] = 1000.0 + np.random.default_rng(8).normal(size=FRAMES)
    preset, good = find_preset(name), np.ones(FRAMES, bool)
    good[list(flagged)] = False
    ours = clean_series(raw, confounds, good, TR, preset).percent * raw[good].mean(0) / 100.0
    band = (preset.high_pass_hz, preset.low_pass_hz)
    columns = [confounds[column] for column in preset.regressors]
    theirs = _by_nilearn(raw, columns, good, band)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours[good], theirs, rtol=0, atol=1e-10 * np.abs(raw).max())


def test_that_as_trained_touches_no_value() -> None:
    raw, _ = _made_up()
    raw[:, 3] = np.nan
    good = np.ones(FRAMES, bool)
    good[5] = False
    kept = clean_series(raw, {}, good, TR, find_preset("asTrained"))
    np.testing.assert_array_equal(kept.values, raw)
    assert kept.units == "scanner"
    assert np.isnan(kept.residual_degrees_of_freedom)
    with pytest.raises(ValueError, match="scanner units"):
        _ = kept.percent


def test_that_a_preset_is_fixed_and_its_hash_tells_every_change() -> None:
    assert len({preset.name for preset in PRESETS}) == len(PRESETS)
    assert len({preset.sha256 for preset in PRESETS}) == len(PRESETS)
    assert not find_preset("simple-highpass").slice_timing  # models were made with it as it is
    assert find_preset("simple-highpass").regressors == (*MOTION_24, "white_matter", "csf")
    assert {p.connectivity for p in PRESETS if p.family == "asTrained"} == {"gram"}
    assert {p.connectivity for p in PRESETS if p.family == "cleaned"} == {"pearson"}


def test_that_too_few_degrees_of_freedom_change_no_filter() -> None:
    raw, confounds = _made_up()
    few = np.zeros(FRAMES, bool)
    few[:60] = True
    cleaned = clean_series(raw, confounds, few, TR, find_preset("cleaned-bandpass"))
    assert cleaned.residual_degrees_of_freedom < 0  # judged by the quality table, not mended
    band = clean_series(raw, confounds, np.ones(FRAMES, bool), TR, find_preset("cleaned-bandpass"))
    power = np.abs(np.fft.rfft(band.percent, axis=0))
    hz = np.fft.rfftfreq(FRAMES, TR)
    assert power[(hz > 0.15)].mean() < 0.05 * power[(hz > 0.02) & (hz < 0.08)].mean()


def test_that_a_parcel_without_data_stays_without_data_and_changes_no_other() -> None:
    raw, confounds = _made_up()
    good = np.ones(FRAMES, bool)
    whole = clean_series(raw, confounds, good, TR, find_preset("simple-highpass")).percent
    raw[:, 2] = np.nan
    part = clean_series(raw, confounds, good, TR, find_preset("simple-highpass")).percent
    assert np.isnan(part[:, 2]).all()
    np.testing.assert_allclose(np.delete(part, 2, 1), np.delete(whole, 2, 1), atol=1e-12)


def test_that_the_unit_is_percent_of_the_parcel_mean() -> None:
    frames = np.arange(FRAMES)
    raw = (500.0 + 5.0 * np.sin(2 * np.pi * 0.05 * TR * frames))[:, None]
    cleaned = clean_series(raw, {}, np.ones(FRAMES, bool), TR, find_preset("none")).percent
    assert cleaned.max() == pytest.approx(1.0, abs=0.02)


def test_that_a_spike_in_a_flagged_frame_leaves_no_trace() -> None:
    raw, confounds = _made_up()
    good = np.ones(FRAMES, bool)
    good[77] = False
    preset = find_preset("simple-highpass")
    calm = clean_series(raw, confounds, good, TR, preset).percent
    raw[77] += 400.0
    np.testing.assert_array_equal(clean_series(raw, confounds, good, TR, preset).percent, calm)


def test_that_units_of_a_regressor_do_not_change_the_answer() -> None:
    raw, confounds = _made_up()
    good = np.ones(FRAMES, bool)
    preset = find_preset("simple-highpass")
    before = clean_series(raw, confounds, good, TR, preset)
    confounds["rot_x"] = confounds["rot_x"] * 1e-6
    after = clean_series(raw, confounds, good, TR, preset)
    np.testing.assert_allclose(after.percent, before.percent, atol=1e-7)
    assert after.residual_degrees_of_freedom == before.residual_degrees_of_freedom


def test_that_the_ends_are_held_and_not_extrapolated() -> None:
    series = np.arange(30.0)[:, None] ** 2
    good = np.ones(30, bool)
    good[[0, 1, 29]] = False
    filled = interpolate_flagged(series, good)
    assert filled[0, 0] == filled[1, 0] == 4.0
    assert filled[29, 0] == 28.0**2


def test_that_frames_are_flagged_by_motion_or_by_dvars_but_never_the_first() -> None:
    confounds = {
        "framewise_displacement": np.array([np.nan, 0.1, 0.6, 0.1, 0.1]),
        "std_dvars": np.array([np.nan, 1.0, 1.0, 1.0, 1.6]),
    }
    flags = good_frames(confounds, find_preset("simple-highpass"))
    assert flags.tolist() == [True, True, False, True, False]


def test_that_degrees_of_freedom_follow_the_published_table() -> None:
    preset = find_preset("simple-highpass")
    assert residual_degrees_of_freedom(200, 2.0, 26, preset) == pytest.approx(166.0)
    band = CleaningPreset("b", (), 0.01, 0.1, 0.5, 1.5)
    assert residual_degrees_of_freedom(490, 0.735, 26, band) == pytest.approx(38.8, abs=0.2)


@pytest.mark.parametrize("count", [0, 1, 19, 28])
def test_that_no_series_comes_out_where_the_regressors_outnumber_the_frames(count: int) -> None:
    # 26 regressors, mean and trend: what 28 frames leave is rounding noise, not a series
    raw, confounds = _made_up()
    good = np.zeros(FRAMES, bool)
    good[:count] = True
    cleaned = clean_series(raw, confounds, good, TR, find_preset("simple-highpass"))
    assert cleaned.percent.shape == raw.shape
    assert np.isnan(cleaned.percent).all()
    assert cleaned.residual_degrees_of_freedom < 30


def test_that_one_frame_more_gives_a_series() -> None:
    raw, confounds = _made_up()
    good = np.zeros(FRAMES, bool)
    good[:29] = True
    cleaned = clean_series(raw, confounds, good, TR, find_preset("simple-highpass"))
    assert np.isfinite(cleaned.percent[:, np.isfinite(raw).all(axis=0)]).all()


def test_that_a_missing_regressor_is_named() -> None:
    raw, confounds = _made_up()
    del confounds["csf"]
    with pytest.raises(PreprocessingError, match="csf"):
        clean_series(raw, confounds, np.ones(FRAMES, bool), TR, find_preset("simple-highpass"))
