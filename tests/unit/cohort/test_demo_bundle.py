"""From prepared people to a bundle that loads and gives the very scores it was judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.cohort.attribution_truth import (
    feature_maps,
    permuted_figures,
    permuted_maps,
    ranking,
    relative_figures,
)
from app.cohort.demo_bundle import make_demo_bundle
from app.cohort.demo_settings import DEMO
from app.cohort.evaluation import Contender
from app.cohort.features import FeatureExtractor
from app.cohort.prepared import PreparedParticipant
from app.cohort.pretraining import PretrainingSettings
from app.cohort.series_level import measured_series
from app.cohort.training import Block, fit_head
from app.connectome.connectivity import pearson_connectivity
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


def test_that_shuffled_labels_rank_the_planted_at_half():
    truth = planted_signature()
    networks = np.array([list(dict.fromkeys(_networks())).index(name) for name in _networks()])
    rng = np.random.default_rng(0)
    labels = rng.random(50) < 0.5
    loud = np.ones(45)
    names = list(dict.fromkeys(_networks()))
    pair = {names.index("Ventral Attention"), names.index("Somatomotor")}
    first, second = np.triu_indices(10, 1)
    place = [{a, b} == pair for a, b in zip(first, second, strict=True)].index(True)
    loud[place] = 6.0  # the planted pair differs more between people, label or not
    blocks = (
        Block("s", rng.standard_normal((50, 30)), np.ones(30)),
        Block("c", rng.standard_normal((50, 45)) * loud, np.ones(45)),
    )
    contender = Contender("x", blocks, blocks)
    maps = permuted_maps(contender, labels, (1.0, 1.0), networks, repeats=60, seed=1)
    found = permuted_figures(maps, truth)
    assert found["connections"] > 0.65
    assert abs(found["connections_relative"] - 0.5) < 0.13
    assert abs(found["series_parcels_relative"] - 0.5) < 0.13
    planted = BranchAttribution(
        method="x",
        per_parcel_series=maps.series_reference() * (1.0 + truth.dynamics_parcels),
        per_parcel_frame=np.zeros((426, 2)),
        per_connection=np.asarray(truth.connectivity_edges, float),
        completeness_error=0.0,
        output_difference=0.0,
        nodes=8,
        converged=True,
    )
    assert relative_figures([planted], maps, truth) == {"series_parcels": 1.0, "connections": 1.0}
    head = fit_head(blocks, labels, (1.0, 1.0))
    parcels, edges = feature_maps(head, contender, networks)
    assert parcels.shape == (426,)
    np.testing.assert_array_equal(edges, edges.T)


def _networks() -> tuple[str, ...]:
    from app.simulation.signature import parcel_table

    return parcel_table().networks
