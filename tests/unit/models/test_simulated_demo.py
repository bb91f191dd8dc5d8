"""The delivered bundle: size, figures on its card, and two held-out scores reproduced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.resources import model_weights_path
from app.core.results import CleanSignals, Connectome, Outcome, Participant, QualityReport, Verdict
from app.models.bundle import MODELS, Bundle, load_bundle
from tests.unit.models.conftest import mini_scan

GOLDEN = Path(__file__).parents[2] / "reference" / "simulated_demo"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("simulated-demo")


def _answer(bundle: Bundle, path: Path):
    from app.connectome.atlases import load_atlas

    atlas = load_atlas("HCPEx")
    with np.load(path) as archive:
        frames = len(archive["cleaned"])
        signals = CleanSignals(
            atlas=atlas.name,
            template=atlas.template,
            parcel_names=atlas.parcel_names,
            networks=atlas.networks,
            hemispheres=atlas.hemispheres,
            centroids_mm=atlas.centroids_mm,
            raw=archive["cleaned"],
            cleaned=archive["cleaned"],
            good_frames=archive["good_frames"],
            coverage=archive["coverage"],
            repetition_time_s=float(archive["repetition_time_s"]),
            first_frame=0,
            preset="simple-highpass",
            residual_degrees_of_freedom=100.0,
            confounds={"framewise_displacement": np.full(frames, float(archive["mean_fd_mm"]))},
            atlas_sha256=atlas.sha256,
        )
        return bundle.predict(
            signals,
            Connectome("pearson", archive["matrix"], frames),
            Participant("u", "sub-01", age_years=float(archive["age_years"])),
            mini_scan().scan,
            QualityReport((), Verdict.PASS, "1"),
            research=True,  # the score itself, whatever a gate says about showing it
        )


def test_that_two_held_out_scores_are_reproduced(bundle):
    rows = bundle.card.raw["golden"]
    assert len(rows) == 2
    for row in rows:
        answer = _answer(bundle, GOLDEN / f"{row['participant']}.npz")
        assert answer.log_odds == pytest.approx(row["log_odds"], abs=1e-3)
        if answer.outcome is not Outcome.WITHHELD:
            assert answer.probability == pytest.approx(row["probability"], abs=1e-3)


def test_that_the_bundle_is_small_and_installed_models_are_listed():
    for name in MODELS:
        folder = model_weights_path() / name
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 20 * 2**20


def test_that_the_card_gives_every_competitor_with_its_interval(bundle):
    metrics = bundle.card.raw["metrics"]
    for name in (
        "fused",
        "series_only",
        "connectivity_only",
        "random_frozen_encoder",
        "covariates_only",
        "linear_on_all_connections",
        "oracle",
    ):
        low, high = metrics[name]["auroc_interval"]
        assert low <= metrics[name]["auroc"] <= high
    null = metrics["null_cohort"]
    assert abs(null["auroc_mean"] - 0.5) < 4 * null["auroc_standard_error"] + 0.005
    assert bundle.summary.simulated
    assert "Research use only" in bundle.card.raw["model"]["use"]
