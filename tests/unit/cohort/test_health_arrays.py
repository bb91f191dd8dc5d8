"""Resampled models with their calibration, shuffled labels, and features looked at alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from app.cohort.demo_settings import DEMO
from app.cohort.feature_table import FeatureTable
from app.cohort.health_arrays import (
    add_health_arrays,
    resampled_models,
    shuffled_heads,
    univariate,
)
from app.cohort.training import Block, fit_head
from app.core.errors import ModelError
from app.core.resources import model_weights_path
from app.models.bundle import load_bundle

FEATURES = Path(__file__).parents[2] / "reference" / "simulated_demo" / "features.npz"


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(2)
    labels = np.arange(40) % 2 == 0
    values = rng.standard_normal((40, 6)) + 0.8 * labels[:, None]
    return (Block("series", values, np.ones(6)),), labels


def test_that_each_resampled_head_has_a_calibration_of_the_same_people(people):
    blocks, labels = people
    heads, calibrations = resampled_models(blocks, labels, (1.0,), repeats=4, seed=9)
    again, _ = resampled_models(blocks, labels, (1.0,), repeats=4, seed=9)
    for one, other in zip(heads, again, strict=True):
        np.testing.assert_array_equal(one.weights[0], other.weights[0])
    assert calibrations.shape == (4, 2)
    assert (calibrations[:, 0] >= 0).all()
    assert len(set(calibrations[:, 0].tolist())) == 4


def test_that_shuffled_labels_teach_nothing(people):
    blocks, labels = people
    heads = shuffled_heads(blocks, labels, (1.0,), repeats=30)
    told = [np.corrcoef(head.log_odds(blocks), labels)[0, 1] for head in heads]
    assert abs(np.mean(told)) < 0.2
    taught = fit_head(blocks, labels, (1.0,)).log_odds(blocks)
    assert np.corrcoef(taught, labels)[0, 1] > 0.5


def test_that_the_univariate_ranking_is_hedges_g_and_the_pattern_a_covariance():
    labels = np.array([True, True, False, False, False])
    pairs = np.array([[2.0], [4.0], [1.0], [0.0], [2.0]])
    output = np.array([1.0, 2.0, -1.0, 0.5, -0.5])
    series = np.repeat(pairs, 6, axis=1)  # 3 networks, width 2
    by_network, by_pair = univariate(series, pairs, labels, output, 3)
    pooled = np.sqrt((2.0 * 1 + 1.0 * 2) / 3)
    g = (3.0 - 1.0) / pooled * (1 - 3 / (4 * 3 - 1))
    assert by_pair[0, 0] == pytest.approx(g)
    np.testing.assert_allclose(by_network[0], g)
    assert by_pair[1, 0] == pytest.approx(np.cov(pairs[:, 0], output)[0, 1] / output.std(ddof=1))


def test_that_the_delivered_bundle_holds_what_its_features_give(tmp_path):
    delivered = model_weights_path() / "simulated-demo"
    shutil.copytree(delivered, tmp_path / "simulated-demo")
    before = load_file(str(delivered / "weights.safetensors"))
    told = add_health_arrays(
        tmp_path / "simulated-demo",
        FeatureTable.read(FEATURES),
        bootstrap_seed=DEMO.bootstrap_seed,
        method=load_bundle("simulated-demo").card.fields.uncertainty.method,
    )
    after = load_file(str(tmp_path / "simulated-demo" / "weights.safetensors"))
    assert told["head_off"] < 1e-4
    for key, value in before.items():
        np.testing.assert_allclose(after[key], value, atol=2e-5, err_msg=key)


def test_that_other_people_are_refused(tmp_path):
    shutil.copytree(model_weights_path() / "simulated-demo", tmp_path / "simulated-demo")
    table = FeatureTable.read(FEATURES.with_name("null_features.npz"))
    with pytest.raises(ModelError) as refusal:
        add_health_arrays(tmp_path / "simulated-demo", table, bootstrap_seed=5, method="none")
    assert refusal.value.code == "cohort.other_people"
