"""The frozen encoder: its CLS token, its hash, the cache of features, what is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.core.errors import ModelError
from app.models.baselines.encoder_logistic import BrainLMCls, ClsCache, EncoderLogistic
from tests.unit.models.baselines.planted import PARCELS, WINDOW, cohort, encoder, make


def test_that_cls_is_the_mean_over_windows_of_the_whole_scan():
    frozen = encoder()
    series = torch.randn(WINDOW + 5, PARCELS, generator=torch.Generator().manual_seed(0))
    places = torch.from_numpy(np.asarray(frozen.centroids_mm, np.float32))
    order = torch.from_numpy(frozen.token_order)
    windows = torch.stack([series[:WINDOW].T, series[5:].T])
    expected = frozen.encoder.tokens(windows, places, order)[0].mean(0)
    torch.testing.assert_close(frozen.cls(series), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        replace(frozen, series_scale_percent=2.0).cls(2.0 * series), frozen.cls(series)
    )


def test_that_gradients_reach_the_series():
    series = torch.randn(WINDOW, PARCELS).requires_grad_(True)
    (gradient,) = torch.autograd.grad(encoder().cls(series)[0], series)
    assert float(gradient.abs().min()) > 0


def test_that_the_hash_names_weights_order_places_and_scale():
    first = encoder()
    others = [
        encoder(seed=4),
        replace(first, token_order=first.token_order[::-1]),
        replace(first, centroids_mm=first.centroids_mm + 1),
        replace(first, series_scale_percent=0.5),
    ]
    assert len({one.sha256 for one in [first, *others]}) == 5
    assert encoder().sha256 == first.sha256


class Counting:
    """Counts how often it is asked."""

    width = 3

    def __init__(self, sha256: str = "a") -> None:
        self.sha256, self.asked = sha256, 0

    def cls(self, series: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return series.mean(0)[:3]


def test_that_features_are_kept_by_content(tmp_path):
    frozen, cache = Counting(), ClsCache(tmp_path / "features")
    series = np.arange(40.0).reshape(8, 5)
    first = cache.cls(frozen, "a", series)
    np.testing.assert_array_equal(cache.cls(frozen, "a", series.copy()), first)
    np.testing.assert_array_equal(ClsCache(cache.folder).cls(frozen, "a", series), first)
    assert frozen.asked == 1
    cache.cls(frozen, "a", series + 1e-12)
    cache.cls(frozen, "b", series)
    assert frozen.asked == 3
    assert {path.suffix for path in (tmp_path / "features").iterdir()} == {".npy"}


def test_that_a_loaded_model_answers_only_with_its_own_encoder(tmp_path):
    people = cohort(16, 0)
    model = people.fit(make("encoder-logistic", encoder=encoder()))
    model.save(tmp_path / "rival")
    loaded = EncoderLogistic.load(tmp_path / "rival")
    with pytest.raises(ModelError, match="no encoder"):
        people.asked(loaded)
    with pytest.raises(ModelError, match="not the encoder"):
        loaded.attach(encoder(seed=9))
    np.testing.assert_array_equal(people.asked(loaded.attach(encoder())), people.asked(model))
    # third-party weights stay where they are
    assert (tmp_path / "rival").stat().st_size < 3000


def test_that_without_an_encoder_or_enough_frames_there_is_a_refusal():
    people = cohort(16, 0)
    with pytest.raises(ModelError, match="no encoder") as caught:
        people.fit(make("encoder-logistic", encoder=None))
    assert "Study(encoder=" in caught.value.hint
    short = replace(people, series=[one[:20] for one in people.series])
    with pytest.raises(ModelError, match="20 usable frames; the model needs 30"):
        short.fit(make("encoder-logistic", encoder=encoder()))


def test_that_brainlm_itself_can_be_the_encoder():
    assert isinstance(make("encoder-logistic", encoder=encoder()).encoder, BrainLMCls)
