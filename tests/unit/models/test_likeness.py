"""Noise shaped like a scan is beyond everybody; a training participant lies in the middle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.connectome.atlases import load_atlas
from app.connectome.connectivity import pearson_connectivity
from app.core.arrays import Floats
from app.core.results import CleanSignals, Outcome, Participant, Prediction, QualityReport, Verdict
from app.models.bundle import load_bundle
from tests.unit.models.conftest import mini_scan

GOLDEN = Path(__file__).parents[2] / "reference" / "simulated_demo" / "cohort-11_sub-0080.npz"


def asked(cleaned: Floats) -> Prediction:
    """The delivered model's answer to a simulated scan with these series, all else in order."""
    bundle, atlas = load_bundle("simulated-demo"), load_atlas("HCPEx")
    frames = len(cleaned)
    good = np.ones(frames, bool)
    signals = CleanSignals(
        atlas=atlas.name,
        template=atlas.template,
        parcel_names=atlas.parcel_names,
        networks=atlas.networks,
        hemispheres=atlas.hemispheres,
        centroids_mm=atlas.centroids_mm,
        raw=cleaned,
        cleaned=cleaned,
        good_frames=good,
        coverage=np.ones(cleaned.shape[1]),
        repetition_time_s=bundle.contract.repetition_time_s,
        first_frame=0,
        preset=bundle.contract.preset,
        residual_degrees_of_freedom=100.0,
        confounds={"framewise_displacement": np.full(frames, 0.1)},
        atlas_sha256=atlas.sha256,
    )
    person = Participant("u", "sub-01", age_years=50.0, sex="F", baseline_pain=6.0)
    return bundle.predict(
        signals,
        pearson_connectivity(cleaned, good),
        person,
        replace(mini_scan().scan, simulated=True),
        QualityReport((), Verdict.PASS, "1"),
    )


def test_that_white_noise_shaped_like_a_scan_is_withheld_at_the_extreme() -> None:
    with np.load(GOLDEN) as archive:
        real = archive["cleaned"].astype(np.float64)
    noise = np.random.default_rng(4).standard_normal(real[:200].shape) * real.std(axis=0)
    answer = asked(noise)
    assert answer.outcome is Outcome.WITHHELD
    assert answer.novelty is not None
    training = 79
    assert answer.novelty.percentile == pytest.approx(100.0 * training / (training + 1))
    assert any("unlike those" in reason for reason in answer.reasons)
    for name in ("probability", "interval", "log_odds", "log_odds_windows", "contributions"):
        assert getattr(answer, name) is None


def test_that_a_training_participant_sits_mid_range() -> None:
    bundle = load_bundle("simulated-demo")
    stored = bundle.tensors["reference.series"][0].double().numpy()
    answer = asked(stored[:200] * bundle.contract.series_scale_percent)
    assert answer.outcome is not Outcome.WITHHELD
    assert answer.novelty is not None
    assert 1.0 < answer.novelty.percentile < 95.0
    assert answer.probability is not None
