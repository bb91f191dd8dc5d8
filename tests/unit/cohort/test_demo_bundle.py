"""From prepared people to a bundle that loads and gives the very scores it was judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.cohort.attribution_truth import ranking
from app.cohort.demo_bundle import make_demo_bundle
from app.cohort.demo_settings import DEMO
from app.cohort.features import FeatureExtractor
from app.cohort.judge_bundle import judge_bundle
from app.cohort.prepared import PreparedParticipant
from app.cohort.pretraining import PretrainingSettings
from app.cohort.series_level import measured_series
from app.connectome.connectivity import pearson_connectivity
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.results import BranchAttribution
from app.models.answer import filled_correlation
from app.models.bundle import load_bundle
from app.models.features import prepared_series
from app.models.fmm_tc import FmmTc
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.signature import planted_signature

QUICK = replace(
    DEMO,
    agnostic_count=2,
    agnostic_validation_count=1,
    pretraining=PretrainingSettings(steps=1, batch=1, parcel_runs=2),
    inner_folds=2,
    outer_folds=2,
    bootstrap_heads=6,
    null_repeats=4,
    permuted_models=6,
    reference_count=2,
)


@pytest.fixture(scope="module")
def people():
    settings = CohortSettings(seed=31, frames=204)
    found = []
    for index in range(14):
        truth = draw_participant(settings, index)
        cleaned = measured_series(truth, 204, 2.0)
        good = np.ones(len(cleaned), bool)
        matrix = pearson_connectivity(cleaned, good).matrix.astype(np.float32)
        found.append(
            PreparedParticipant(
                identifier=f"p{index:02d}",
                responder=index in (0, 1, 4, 5, 9, 11),
                cleaned=cleaned,
                good_frames=good,
                connectivity=matrix,
                age_years=truth.age_years,
                sex=truth.sex,
                baseline_pain=truth.baseline_pain,
                site=truth.site,
                mean_fd_mm=0.1 * truth.motion_level,
                verdict="withheld" if index == 13 else "pass",
                scan_sha256=f"{index:064d}",
                oracle=truth.trait_connectivity + truth.trait_dynamics,
            )
        )
    return found


def test_that_the_bundle_gives_the_scores_it_was_judged_by(people, tmp_path, monkeypatch):
    # pooled series stand in for the encoder: its own exactness is tested elsewhere
    def pooled(self: FeatureExtractor, person: PreparedParticipant) -> np.ndarray:
        return np.repeat(self.spread(person), self.encoder.config.hidden_size)

    target = tmp_path / "model_weights" / "demo"
    with monkeypatch.context() as patched:
        patched.setattr(FeatureExtractor, "series", pooled)
        make_demo_bundle(people, 9, tmp_path / "work", target, Progress(), QUICK)
    encoded = make_demo_bundle(people, 9, tmp_path / "again", target, Progress(), QUICK)
    assert [p.identifier for p in encoded.cohort.held_out] == ["p09", "p10", "p11", "p12"]
    bundle = load_bundle(target)
    model, person = FmmTc.from_tensors(bundle.card, bundle.tensors), encoded.cohort.held_out[1]
    series, present = prepared_series(person.cleaned, QUICK.series_scale_percent)
    matrix = filled_correlation(person.connectivity, model.tensors["mean_correlation"])
    with torch.no_grad():
        score = (
            model.tensors["head.bias"][0]
            + model.series_log_odds(series, present).mean()
            + model.connectivity_log_odds(matrix, present)
        )
    assert float(score) == pytest.approx(encoded.results["fused"].held_out_log_odds[1], abs=1e-4)
    card = bundle.card.raw
    assert card["training"]["count"] == 9
    assert card["metrics"]["null_cohort"]["repeats"] == 4
    assert set(card["seeds"]) >= {"cohort_seed", "fold_seed", "random_encoder_seed"}
    assert not list(target.parent.glob(".making-*"))
    weights = (target / "weights.safetensors").read_bytes()
    judged = judge_bundle(people, people[::-1], target, tmp_path / "again", Progress(), QUICK)
    again = load_bundle(target).card.raw
    assert (target / "weights.safetensors").read_bytes() == weights
    assert again["metrics"]["fused"] == card["metrics"]["fused"]  # everything else stays
    assert again["metrics"]["gain_over_covariates"]["auroc"] == pytest.approx(
        card["metrics"]["fused"]["auroc"] - card["metrics"]["covariates_only"]["auroc"]
    )
    assert again["metrics"]["null_cohort_simulated"]["training_count"] == 9
    assert again["attribution_truth"]["permuted_labels"]["people"] == 4
    assert judged.cohort.identifiers == tuple(f"p{index:02d}" for index in range(13))
    with pytest.raises(ModelError, match="not the participants"):
        judge_bundle(people[1:], (), target, tmp_path / "again", Progress(), QUICK)


def test_that_ranking_is_one_for_the_answer_key_itself():
    truth = planted_signature()
    edges = np.asarray(truth.connectivity_edges, float)
    perfect = BranchAttribution(
        method="x",
        per_parcel_series=-np.asarray(truth.dynamics_parcels, float),
        per_parcel_frame=np.zeros((426, 2)),
        per_connection=edges,
        completeness_error=0.0,
        output_difference=0.0,
        nodes=8,
        converged=True,
    )
    found = ranking([perfect, perfect], truth)
    assert found.series_parcels == 1.0
    assert found.connections == 1.0
    assert found.connectivity_parcels_per_person == 1.0
    assert found.suppressor_share_series == 0.0
