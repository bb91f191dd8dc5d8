"""FMM_TC as one row of weights: the same number, by the members and by the row."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.fmm_tc_head import HeadPeople, centre_of, has_linear_head, head_of
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.refits import RefittableResponse
from app.models.series_encoder import EncoderSource
from tests.unit.models.fmm_tc_people import PLACES, SHORT, WINDOW, people, source


def fitted(group, **changes) -> FmmTcNetwork:
    settings = FmmTcSettings.corrected(window_frames=WINDOW, training=SHORT, **changes)
    encoder: EncoderSource | None = source() if "series" in settings.branches else None
    model = FmmTcNetwork(settings, encoder=encoder, centroids_mm=PLACES)
    return model.fit(group.series, group.connectivity, group.covariates, group.labels, seed=4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fusion": "late"},
        {"connectivity": "tangent"},
        {"branches": ("series",)},
        {"branches": ("connectivity",)},
        {"foundation": "random"},
    ],
)
def test_that_members_scales_and_fusion_fold_into_one_row(changes) -> None:
    group = people(24, frames=47)
    model = fitted(group, **changes)
    assert isinstance(model, RefittableResponse)
    head = head_of(model._ready().members, centre_of(model))
    stranger = people(3, frames=53, seed=9)
    expected = model.predict_log_odds(stranger.series, stranger.connectivity, stranger.covariates)
    assert np.ptp(expected) > 0.05
    for row, (one, matrix) in enumerate(zip(stranger.series, stranger.connectivity, strict=True)):
        features = model.centred_features(one, matrix, np.zeros(0))
        assert features.shape == head.weights.shape
        assert features @ head.weights + head.bias == pytest.approx(expected[row], abs=1e-4)


def test_that_missing_parcels_are_filled_as_the_model_fills_them() -> None:
    group = people(24)
    model = fitted(group)
    head = head_of(model._ready().members, centre_of(model))
    one, matrix = group.series[0].copy(), group.connectivity[0].copy()
    one[:, 7] = np.nan
    matrix[7], matrix[:, 7] = np.nan, np.nan
    features = model.centred_features(one, matrix, np.zeros(0))
    expected = model.detail(one, matrix).log_odds
    assert features @ head.weights + head.bias == pytest.approx(expected, abs=1e-4)


def test_that_a_refit_on_everybody_in_the_same_folds_is_the_delivered_model() -> None:
    """Refits differ from the model by who was drawn, and by nothing else."""
    from app.models.fmm_tc_training import inner_fold_of

    group = people(24)
    model = fitted(group)
    ready = HeadPeople.of(model, group.series, group.connectivity, Progress())
    folds = inner_fold_of(group.labels, SHORT.inner_folds, 4)
    again = ready.refit(np.arange(24), group.labels, folds, 4)
    head = head_of(model._ready().members, centre_of(model))
    np.testing.assert_allclose(again.weights, head.weights, atol=1e-6)
    assert again.bias == pytest.approx(head.bias, abs=1e-6)
    features = ready.features()
    assert features.shape == (24, len(head.weights))
    np.testing.assert_allclose(features.mean(axis=0), 0.0, atol=1e-5)
    own = model.centred_features(group.series[5], group.connectivity[5], np.zeros(0))
    np.testing.assert_allclose(features[5], own, atol=1e-9)


def test_that_refits_on_other_people_differ() -> None:
    group = people(24)
    model = fitted(group)
    ready = HeadPeople.of(model, group.series, group.connectivity, Progress())
    rng = np.random.default_rng(1)
    drawn = np.r_[rng.permutation(24)[:18], [0, 0, 1, 1, 1, 1]]
    folds = drawn % 3
    one = ready.refit(drawn, group.labels[drawn], folds, 4)
    head = head_of(model._ready().members, centre_of(model))
    cosine = one.weights @ head.weights
    cosine /= np.linalg.norm(one.weights) * np.linalg.norm(head.weights)
    assert 0.2 < cosine < 0.9999


@pytest.mark.parametrize(
    "changes", [{"fusion": "gated"}, {"foundation": "scratch"}, {"connectivity_encoder": "compact"}]
)
def test_that_variants_without_such_a_row_say_so(changes) -> None:
    settings = FmmTcSettings.corrected(window_frames=WINDOW, training=SHORT, **changes)
    assert not has_linear_head(settings)
    model = FmmTcNetwork(settings, encoder=source(), centroids_mm=PLACES)
    group = people(1)
    with pytest.raises(ModelError, match="not linear"):
        model.centred_features(group.series[0], group.connectivity[0], np.zeros(0))
