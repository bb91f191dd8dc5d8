"""Every FMM_TC variant under the attribution room: sums that close, references that show nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.attribution.expected_gradients import expected_gradients
from app.attribution.explain import JointlyExplainable, explain
from app.core.errors import ModelError
from app.models.differentiable_network import explainable
from app.models.fmm_tc_settings import RELEASED_TRAINING
from app.models.reference_series import reference_series, summarise
from tests.unit.models.fmm_tc_people import PARCELS, SHORT, fit, network, people, raw, variant

GROUP = people(24, frames=37)
QUICK = replace(SHORT, epochs=4, members=1)


def _explained(changes, one=None):
    model = fit(network(variant(training=QUICK, **changes)), GROUP)
    series, matrix = one or (GROUP.series[2], GROUP.connectivity[2])
    ready = explainable(model, series, matrix, np.ones(37, bool), structural=GROUP.structural[2])
    return model, ready, explain(ready)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"branches": ("series",)},
        {"branches": ("connectivity",), "connectivity": "partial"},
        {"connectivity": "tangent", "fusion": "late"},
        {"connectivity_encoder": "compact", "branches": ("series", "connectivity", "structural")},
        {"fusion": "gated"},
        {"foundation": "scratch"},
    ],
    ids=str,
)
def test_that_both_attributions_close_on_every_variant(changes):
    model, ready, found = _explained(changes)
    assert isinstance(ready, JointlyExplainable) == (model.settings.fusion == "gated")
    for branch in (found.branches, found.scan):
        assert branch.converged, (branch.completeness_error, branch.output_difference)
        total = branch.per_parcel_series.sum() + np.triu(branch.per_connection).sum()
        limit = max(0.01, 0.01 * abs(branch.output_difference))
        assert total == pytest.approx(branch.output_difference, abs=limit)
    if "series" not in model.settings.branches:
        assert not found.branches.per_parcel_series.any()
        assert found.branches.per_connection.any()
    if "connectivity" not in model.settings.branches:
        assert not found.branches.per_connection.any()
        assert found.branches.per_parcel_series.any()


def test_that_the_two_parts_and_the_log_odds_are_one_model():
    model, ready, _ = _explained({})
    apart = [
        float(ready.series_log_odds(ready.series) - ready.series_log_odds(ready.baseline_series)),
        float(
            ready.connectivity_log_odds(ready.correlation)
            - ready.connectivity_log_odds(ready.baseline_correlation)
        ),
    ]
    whole = float(
        model.log_odds_of(ready.series, ready.correlation)
        - model.log_odds_of(ready.baseline_series, ready.baseline_correlation)
    )
    assert sum(apart) == pytest.approx(whole, abs=1e-5)


def test_that_missing_parcels_get_nothing():
    series, matrix = GROUP.series[2].copy(), GROUP.connectivity[2].copy()
    series[:, 5] = np.nan
    matrix[5] = matrix[:, 5] = np.nan
    _, ready, found = _explained({}, (series, matrix))
    assert not ready.present[5]
    for branch in (found.branches, found.scan):
        assert branch.per_parcel_series[5] == 0.0
    assert not found.branches.per_connection[5].any()  # it sits at the baseline


def test_that_faithful_mode_has_one_path_from_nothing():
    settings = variant("faithful", training=replace(RELEASED_TRAINING, epochs=1))
    group = raw(GROUP)
    model = fit(network(settings), group)
    ready = explainable(model, group.series[2], np.zeros(0), np.ones(37, bool))
    assert ready.references.shape == (1, 37, PARCELS)
    assert not ready.references.any()
    assert not ready.correlation_of(ready.references[0]).any()
    torch.testing.assert_close(ready.correlation_of(ready.series), ready.correlation)
    found = expected_gradients(
        ready.series_log_odds,
        ready.connectivity_log_odds,
        ready.correlation_of,
        ready.series,
        ready.references,
        node_counts=(8,),
    )
    assert not found.series[20:].any()  # only the first window is looked at
    top = float(model.log_odds_of(ready.series, ready.correlation))
    low = float(model.log_odds_of(0.0 * ready.series, 0.0 * ready.correlation))
    assert found.difference == pytest.approx(top - low, rel=1e-4)
    # ReLUs of a huge Gram matrix switch close to the start of the path: slow, never silent
    assert found.error == pytest.approx(
        abs(float(found.series.sum() + found.connections.sum()) - found.difference)
    )
    assert found.error < 0.5 * abs(found.difference)


def test_that_an_unfitted_model_cannot_be_explained():
    with pytest.raises(ModelError) as caught:
        explainable(network(variant()), GROUP.series[0], GROUP.connectivity[0], np.ones(37, bool))
    assert caught.value.code == "model.not_fitted"


def test_that_reference_series_are_typical_and_nobodys():
    rng = np.random.default_rng(1)
    mixing = np.linalg.cholesky(0.6 * np.eye(5) + 0.4)
    smooth = np.exp(-0.5 * (np.arange(-6, 7) / 1.5) ** 2)
    series = []
    for _ in range(12):
        one = rng.standard_normal((300, 5)) @ mixing.T
        one = np.apply_along_axis(np.convolve, 0, one, smooth, "same") * np.arange(1.0, 6.0)
        series.append(one - one.mean(0))
    mean = np.mean([np.corrcoef(one.T) for one in series], axis=0) * (1 - np.eye(5))
    summary = summarise(series, mean)
    found = reference_series(summary, 20, 240, seed=2)
    assert found.shape == (20, 240, 5)
    np.testing.assert_array_equal(found, reference_series(summary, 20, 240, seed=2))
    np.testing.assert_allclose(found.mean(axis=1), 0.0, atol=1e-4)
    np.testing.assert_allclose(
        found.std(axis=1).mean(axis=0), np.mean([one.std(0) for one in series], axis=0), rtol=0.12
    )
    drawn = np.mean([np.corrcoef(one.T) for one in found], axis=0)
    np.testing.assert_allclose(drawn * (1 - np.eye(5)), mean, atol=0.1)
    lag = [np.mean([np.corrcoef(x[1:, 0], x[:-1, 0])[0, 1] for x in g]) for g in (series, found)]
    assert lag[0] == pytest.approx(lag[1], abs=0.08)  # as smooth in time
