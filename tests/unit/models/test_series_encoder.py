"""Both published families behind one protocol, sizes from their own configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from app.core.errors import ModelError
from app.models.brainlm import BrainLM
from app.models.brainlm_vit import BrainLMVit
from app.models.encoder_lookup import installed_encoder, source_of
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import FmmTcSettings, FmmTcTraining
from app.models.series_encoder import (
    EncoderSource,
    SeriesEncoder,
    built,
    identity_orders,
    module_of,
)
from tests.unit.models.bundled import install_encoder
from tests.unit.models.fmm_tc_people import CONFIG, PARCELS, PLACES, WINDOW, source

REFERENCE = Path(__file__).parents[2] / "reference"
VIT = REFERENCE / "brainlm_vitmae_small"


@pytest.fixture
def vit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderSource:
    """The small ViT-MAE fixture, installed."""
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path))
    folder = tmp_path / "data" / "encoders" / "small-vit"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(VIT / name, folder / name)
    from app.core.provenance import file_sha256

    return source_of(installed_encoder(file_sha256(folder / "model.safetensors")))


def test_that_cls_alone_is_cls_of_the_whole_pass() -> None:
    encoder = source().encoder
    assert isinstance(encoder.model, BrainLM)
    windows = torch.randn(3, PARCELS, WINDOW, generator=torch.Generator().manual_seed(2))
    places, tokens = torch.from_numpy(PLACES), CONFIG.token_count
    orders = torch.from_numpy(
        np.stack([np.arange(tokens), np.random.default_rng(1).permutation(tokens)])
    )
    whole = [encoder.model.tokens(windows, places, order)[0] for order in orders]
    found = encoder.cls(windows, places, orders)
    torch.testing.assert_close(found, torch.stack(whole).mean(0), atol=1e-6, rtol=1e-6)
    assert torch.equal(found, encoder.cls(windows, places, orders))


def test_that_the_vit_gives_the_published_cls_and_gradients(vit: EncoderSource) -> None:
    encoder = vit.encoder
    assert isinstance(encoder, SeriesEncoder)
    assert (encoder.width, encoder.window_frames, encoder.parcel_count) == (32, 200, 424)
    with np.load(VIT / "golden.npz") as golden:
        windows = torch.from_numpy(golden["signals_atlas_order"])
        places = torch.from_numpy(golden["xyz"])
    if places.dim() == 3:
        places = places[0]
    orders = torch.from_numpy(identity_orders(0))
    expected, _ = module_of(encoder).module.tokens(windows, places)
    windows = windows[:1].requires_grad_(True)
    found = encoder.cls(windows, places, orders)
    torch.testing.assert_close(found, expected[:1], atol=1e-6, rtol=0)
    (gradient,) = torch.autograd.grad(found[0, 3], windows)
    assert gradient.abs().sum() > 0


def test_that_a_network_on_the_vit_learns_and_refers_to_it(
    vit: EncoderSource, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(-60, 60, (424, 3)).astype(np.float32)
    series = [rng.standard_normal((200, 424)).astype(np.float32) for _ in range(8)]
    labels = np.arange(8) % 2 == 0
    training = FmmTcTraining(epochs=2, patience=1, inner_folds=2, members=1)
    settings = FmmTcSettings.corrected(branches=("series",), training=training)
    model = FmmTcNetwork(settings, encoder=vit, centroids_mm=places)
    nothing = np.zeros((8, 0))
    model.fit(series, np.zeros((8, 0, 0)), nothing, labels)
    assert model.fitted.members[0].widths == {"series": 32}  # from its config
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(ModelError) as caught:
        FmmTcNetwork.load(path)
    assert caught.value.code == "model.encoder_missing"
    loaded = FmmTcNetwork.load(path, encoder=vit)
    ask = (series[:2], np.zeros((2, 0, 0)), nothing[:2])
    assert (loaded.predict_log_odds(*ask) == model.predict_log_odds(*ask)).all()


def test_that_a_vit_is_built_again_from_its_record(vit: EncoderSource) -> None:
    again = built(vit.build)
    assert isinstance(module_of(again).module, BrainLMVit)
    ours = vit.restarted(3)
    assert not ours.third_party
    assert ours.sha256 == vit.restarted(3).sha256 != vit.restarted(4).sha256
    for change in ({"hidden_size": 10**7}, {"patch_size": 15}, {"hidden_size": "32"}):
        with pytest.raises(ModelError) as caught:
            built({**vit.build, "config": {**vit.build["config"], **change}})
        assert caught.value.code == "model.damaged"


def test_that_vit_tokens_are_not_pooled_over_networks(vit: EncoderSource) -> None:
    with pytest.raises(ModelError, match="bands of parcels"):
        source_of(installed_encoder(vit.sha256), np.zeros(424, int))


def test_that_an_installed_13m_keeps_its_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path))
    pooled = source_of(installed_encoder(install_encoder(tmp_path)), np.arange(PARCELS) % 3)
    assert pooled.encoder.width == 3 * CONFIG.hidden_size
    assert built(pooled.build).width == pooled.encoder.width
