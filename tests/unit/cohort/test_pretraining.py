"""Pre-training learns, goes on where it stopped, and refuses a foreign checkpoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.cohort.pretraining import PretrainingSettings, kept_first_order, pretrain
from app.cohort.series_level import high_pass, measured_series
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.brainlm_config import BrainLMConfig
from app.simulation.cohort import CohortSettings, draw_participant

CONFIG = BrainLMConfig(
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    decoder_hidden_size=8,
    decoder_num_hidden_layers=1,
    decoder_num_attention_heads=2,
    decoder_intermediate_size=16,
    num_brain_voxels=20,
    num_timepoints_per_voxel=40,
    timepoint_patching_size=10,
)
SETTINGS = PretrainingSettings(
    steps=60, batch=3, learning_rate=1e-2, warmup_steps=5, validation_every=15, checkpoint_every=10
)


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    waves = np.sin(0.35 * np.arange(60)[None, :] + 6.28 * rng.random((30, 1)))
    return (1.0 + np.repeat(waves[:, :, None], 20, axis=2)).astype(np.float32)


def _run(series, path, settings=SETTINGS, now=None):
    places = np.random.default_rng(1).uniform(-60, 60, (20, 3))
    return pretrain(CONFIG, settings, series[:25], series[25:], places, path, Progress(), now)


def test_that_the_loss_falls_and_an_interrupted_run_ends_with_the_same_bits(series, tmp_path):
    whole, history = _run(series, tmp_path / "a")
    assert history[-1][1] < 0.8 * history[0][1]
    for _ in range(4):
        pieces, resumed = _run(series, tmp_path / "b", now=17)
    assert resumed == history
    for key, value in whole.state_dict().items():
        assert torch.equal(value, pieces.state_dict()[key]), key


def test_that_a_checkpoint_of_other_settings_is_refused(series, tmp_path):
    _run(series, tmp_path / "a", replace(SETTINGS, steps=2))
    with pytest.raises(ModelError) as caught:
        _run(series, tmp_path / "a", replace(SETTINGS, steps=3))
    assert caught.value.code == "model.checkpoint"


def test_that_visible_tokens_come_first_and_in_their_own_order():
    order = kept_first_order(50, 0.6, np.random.default_rng(0)).numpy()
    assert sorted(order) == list(range(50))
    assert (np.diff(order[:20]) > 0).all()
    assert not (np.diff(order[20:]) > 0).all()


def test_that_series_level_people_repeat_and_keep_their_signal():
    from app.simulation.series import parcel_series

    truth = draw_participant(CohortSettings(seed=9, frames=220), 2)
    first = measured_series(truth, 220, 2.0)
    np.testing.assert_array_equal(first, measured_series(truth, 220, 2.0))
    assert first.shape == (216, 426)
    clean = high_pass(parcel_series(truth, 220, 2.0)[4:], 2.0)
    r = [np.corrcoef(first[:, i], clean[:, i])[0, 1] for i in range(0, 426, 25)]
    assert 0.5 < np.median(r) < 0.98


def test_that_high_pass_takes_out_drift_and_leaves_signal():
    frames = np.arange(240)
    fast = np.sin(2 * np.pi * 0.05 * 2.0 * frames)[:, None]
    slow = np.cos(np.pi * (frames + 0.5) * 3 / 240)[:, None]
    np.testing.assert_allclose(high_pass(slow + 7.0, 2.0), 0.0, atol=1e-9)
    assert high_pass(fast, 2.0).std() == pytest.approx(fast.std(), rel=0.02)
