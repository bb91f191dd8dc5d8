"""Frames left out by hand: the same answer at once and in a new run, on record, undone whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.analysis.censoring import (
    censored_frames,
    censoring_findings,
    check_censored,
    recensored,
    without_censored,
)
from app.connectome.connectivity import pearson_connectivity
from app.core.arrays import frozen
from app.core.errors import AppError
from app.core.results import CENSORED, Case, QualityMetric, QualityReport, Verdict
from app.preprocessing.cleaning import clean_series, good_frames
from app.preprocessing.presets import find_preset
from app.preprocessing.quality import judge_known
from tests.sample_case import FIRST_FRAME, FRAMES, sample_case

PARCELS = 17


@pytest.fixture(scope="module")
def case() -> Case:
    """A case of few parcels whose cleaned series came from its raw ones and all confounds."""
    whole = sample_case()
    assert whole.signals is not None
    assert whole.provenance is not None
    signals, rng = whole.signals, np.random.default_rng(3)
    preset = find_preset(signals.preset)
    confounds = dict(signals.confounds)
    for name in preset.regressors:
        confounds.setdefault(name, frozen(rng.normal(size=FRAMES)))
    good = good_frames(confounds, preset)
    raw = np.asarray(signals.raw)[:, :PARCELS] + rng.normal(0, 2, (FRAMES, PARCELS))
    made = clean_series(raw, confounds, good, signals.repetition_time_s, preset)
    signals = replace(
        signals,
        parcel_names=signals.parcel_names[:PARCELS],
        networks=signals.networks[:PARCELS],
        hemispheres=signals.hemispheres[:PARCELS],
        raw=frozen(raw),
        cleaned=frozen(made.values),
        good_frames=frozen(good),
        confounds=confounds,
        residual_degrees_of_freedom=made.residual_degrees_of_freedom,
    )
    quality = judge_known(
        {
            "flagged_percent": 100.0 * float(1 - good.mean()),
            "usable_time_s": 2.0 * float(good.sum()),
            "residual_degrees_of_freedom": made.residual_degrees_of_freedom,
            "temporal_snr": 55.0,
        },
        {"usable_time_s": (440.0, 300.0)},
    )
    return replace(
        whole,
        motion=None,
        signals=signals,
        quality=quality,
        connectome=pearson_connectivity(made.values, good),
    )


def test_that_nothing_left_out_changes_not_a_bit(case: Case) -> None:
    found = recensored(case, ())
    assert case.signals is not None
    assert case.connectome is not None
    assert found.connectome is not None
    np.testing.assert_array_equal(found.signals.cleaned, case.signals.cleaned)
    np.testing.assert_array_equal(found.connectome.matrix, case.connectome.matrix)
    assert found.quality == case.quality


def test_that_connectivity_is_that_of_a_run_without_the_frames(case: Case) -> None:
    signals = case.signals
    assert signals is not None
    out = (FIRST_FRAME + 100, FIRST_FRAME + 101, FIRST_FRAME + 150)
    found = recensored(case, out)
    good = np.array(signals.good_frames)
    good[[100, 101, 150]] = False
    expected = clean_series(
        np.asarray(signals.raw), signals.confounds, good, 2.0, find_preset(signals.preset)
    )
    assert found.recleaned
    assert found.connectome is not None
    np.testing.assert_array_equal(found.signals.cleaned, expected.values)
    np.testing.assert_array_equal(
        found.connectome.matrix, pearson_connectivity(expected.values, good).matrix
    )
    assert found.connectome.frame_count == good.sum()


def test_that_gates_follow_against_the_same_limits(case: Case) -> None:
    signals = case.signals
    assert signals is not None
    found = recensored(case, range(FIRST_FRAME, FIRST_FRAME + 30)).quality
    assert found is not None
    values = {metric.name: metric for metric in found.metrics}
    good = np.array(signals.good_frames)
    good[:30] = False
    assert values["usable_time_s"].value == 2.0 * good.sum()
    assert values["usable_time_s"].verdict is Verdict.ATTENTION  # 440 s of the model, not 300 s
    assert values["flagged_percent"].value == pytest.approx(100 * (1 - good.mean()))
    assert values["temporal_snr"].value == 55.0
    many = recensored(case, range(FIRST_FRAME, FIRST_FRAME + 130)).quality
    assert many is not None
    assert many.verdict is Verdict.WITHHELD


def test_that_a_limit_in_other_words_is_never_guessed(case: Case) -> None:
    odd = QualityMetric("usable_time_s", "Usable", 1.0, "s", "at least 5", "", Verdict.PASS)
    with pytest.raises(ValueError, match="cannot be read"):
        recensored(replace(case, quality=QualityReport((odd,), Verdict.PASS, "1")), ())


def test_that_a_hand_never_brings_flagged_frames_back(case: Case) -> None:
    assert case.provenance is not None
    assert case.signals is not None
    flagged = np.flatnonzero(~np.asarray(case.signals.good_frames))
    assert flagged.size
    by_hand = (FIRST_FRAME + int(flagged[0]), FIRST_FRAME + 200)
    again = recensored(case, by_hand)
    parameters = {**case.provenance.parameters, CENSORED: list(by_hand)}
    stored = replace(
        case,
        signals=again.signals,
        connectome=again.connectome,
        provenance=replace(case.provenance, parameters=parameters),
    )
    assert censored_frames(stored) == by_hand
    back = recensored(stored, ())
    np.testing.assert_array_equal(back.signals.good_frames, case.signals.good_frames)
    np.testing.assert_allclose(back.signals.cleaned, case.signals.cleaned, atol=1e-12)


def test_that_without_confounds_the_series_stay_and_frames_still_go(case: Case) -> None:
    assert case.signals is not None
    poor = replace(case, signals=replace(case.signals, confounds={}))
    found = recensored(poor, (FIRST_FRAME + 9,))
    assert not found.recleaned
    np.testing.assert_array_equal(found.signals.cleaned, case.signals.cleaned)
    assert not found.signals.good_frames[9]


def test_that_frames_are_those_of_the_file() -> None:
    good = np.array([True, True, False, True])
    assert without_censored(good, 4, (5, 99)).tolist() == [True, False, False, True]
    with pytest.raises(AppError) as refusal:
        check_censored((3, 240), 240)
    assert refusal.value.code == "scan.censored_frames"
    assert "0 to 239" in refusal.value.hint
    check_censored((0, 239), 240)


def test_that_what_was_left_out_is_said_in_the_case() -> None:
    assert censoring_findings(()) == ()
    (finding,) = censoring_findings((40, 41, 120))
    assert "3 frames were left out by hand: 40–41, 120" in finding.message
