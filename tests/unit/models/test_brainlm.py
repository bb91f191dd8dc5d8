"""The encoder against values produced by the published implementation (random weights)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from app.core.errors import ModelError
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.checkpoint_shapes import UNUSED, expected_shapes
from app.models.strict_loading import load_module

REFERENCE = Path(__file__).parents[2] / "reference"
FIXTURE = REFERENCE / "brainlm_mini13m"
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(FIXTURE / "golden.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def model() -> BrainLM:
    config = BrainLMConfig.from_mapping(json.loads((FIXTURE / "config.json").read_text()))
    built = BrainLM(config, with_decoder=True)
    load_module(built, load_file(FIXTURE / "model.safetensors"), ignorable=UNUSED)
    return built


def _orders(noise: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.argsort(noise, axis=1, kind="stable"))


def _raw(config: BrainLMConfig) -> dict[str, object]:
    return {**config.as_mapping(), "architectures": ["BrainLMForPretraining"]}


def _inputs(golden: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(golden["signals"]), torch.from_numpy(golden["xyz"])


def test_that_identity_order_reproduces_the_published_features(model, golden):
    signals, xyz = _inputs(golden)
    cls, patches = model.tokens(signals, xyz, torch.arange(72))
    assert patches.shape == (2, 24, 3, 32)
    np.testing.assert_allclose(cls, golden["enc_mask0_identity_cls"], **CLOSE)
    np.testing.assert_allclose(
        patches.reshape(2, 72, 32), golden["enc_mask0_identity_patches"], **CLOSE
    )


def test_that_every_depth_reproduces_the_published_hidden_states(model, golden):
    signals, xyz = _inputs(golden)
    states = model.vit(signals, xyz, torch.arange(72).expand(2, -1))
    for depth in range(3):
        np.testing.assert_allclose(states[depth], golden[f"step_hidden_{depth}"], **CLOSE)


def test_that_attention_is_the_published_softmax(model, golden):
    signals, xyz = _inputs(golden)
    tokens = model.vit(signals, xyz, torch.arange(72).expand(2, -1))[0]
    own = model.vit.encoder.layer[0].attention.get_submodule("self")
    query, key = (part(tokens).view(2, 73, 2, 16).transpose(1, 2) for part in (own.query, own.key))
    attention = torch.softmax(query @ key.transpose(-1, -2) / 4.0, dim=-1)
    np.testing.assert_allclose(attention, golden["step_attn_0"], **CLOSE)


def test_that_a_stored_permutation_is_undone_before_patches_are_used(model, golden):
    signals, xyz = _inputs(golden)
    orders = _orders(golden["noise_random"])
    for row in range(2):
        cls, patches = model.tokens(signals[row : row + 1], xyz[row], orders[row])
        np.testing.assert_allclose(cls[0], golden["enc_mask0_random_cls"][row], **CLOSE)
        np.testing.assert_allclose(
            patches.reshape(72, 32), golden["enc_mask0_random_patches_unshuffled"][row], **CLOSE
        )


def test_that_reconstruction_and_masked_loss_are_reproduced(model, golden):
    signals, xyz = _inputs(golden)
    recon, _, loss = model.reconstruct(signals, xyz, _orders(golden["noise_identity"]), 0.0)
    np.testing.assert_allclose(recon, golden["recon_mask0_identity"], **CLOSE)
    assert torch.isnan(loss)
    recon, mask, loss = model.reconstruct(signals, xyz, _orders(golden["noise_random"]), 0.2)
    np.testing.assert_allclose(recon, golden["recon_mask02_random"], **CLOSE)
    np.testing.assert_array_equal(mask, golden["recon_mask02_mask"])
    np.testing.assert_allclose(float(loss), golden["recon_mask02_loss"][0], **CLOSE)


def test_that_gradients_reach_the_series_and_match_finite_differences(model, golden):
    signals, xyz = _inputs(golden)
    double = BrainLM(model.config).double()
    double.load_state_dict(
        {k: v.double() for k, v in model.state_dict().items() if k.startswith("vit.")}
    )
    double.requires_grad_(False)
    series = signals[:1].double().requires_grad_(True)
    weights = torch.linspace(-1, 1, 32, dtype=torch.float64)

    def score(x: torch.Tensor) -> torch.Tensor:
        return (double.tokens(x, xyz[0].double(), torch.arange(72))[0] * weights).sum()

    (gradient,) = torch.autograd.grad(score(series), series)
    step = torch.zeros_like(series)
    step[0, 5, 31] = 1e-5
    with torch.no_grad():
        slope = (score(series + step) - score(series - step)) / 2e-5
    assert float(gradient[0, 5, 31]) == pytest.approx(float(slope), rel=1e-5)


def test_that_the_published_key_list_is_the_state_dict(model):
    rows = (FIXTURE / "state_dict_keys.tsv").read_text().split("\n")
    published = {row.split("\t")[0]: tuple(json.loads(row.split("\t")[1])) for row in rows if row}
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert ours == {key: shape for key, shape in published.items() if key not in UNUSED}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.pop("vit.layernorm.bias"), "model.keys"),
        (lambda t: t.update({"vit.extra": torch.zeros(2)}), "model.keys"),
        (lambda t: t.update({"vit.layernorm.bias": torch.zeros(31)}), "model.shape"),
        (
            lambda t: t.update({"vit.layernorm.bias": torch.full((32,), torch.nan)}),
            "model.not_finite",
        ),
        (
            lambda t: t.update({"vit.layernorm.bias": torch.zeros(32, dtype=torch.bool)}),
            "model.dtype",
        ),
    ],
)
def test_that_weights_that_do_not_fit_are_refused(model, change, code):
    tensors = load_file(FIXTURE / "model.safetensors")
    change(tensors)
    with pytest.raises(ModelError) as caught:
        load_module(BrainLM(model.config, with_decoder=True), tensors, ignorable=UNUSED)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("listing", "width"), [("github_ckpt1400_h256.tsv", 256), ("old_13M_presumed_h512.tsv", 512)]
)
def test_that_full_size_keys_match_the_published_lists(listing, width):
    rows = (REFERENCE / "brainlm_keys" / listing).read_text().splitlines()
    published = {row.split("\t")[0]: tuple(json.loads(row.split("\t")[1])) for row in rows if row}
    assert len(published) == 124
    config = BrainLMConfig(hidden_size=width, decoder_hidden_size=width)
    expected = {key: shape for key, shape in published.items() if key not in UNUSED}
    assert set(published) - set(expected) == set(UNUSED)
    assert expected_shapes(_raw(config)) == expected
    built = BrainLM(config, with_decoder=True).state_dict()
    assert {key: tuple(value.shape) for key, value in built.items()} == expected


def test_that_shapes_follow_every_size_of_the_config():
    config = BrainLMConfig(
        hidden_size=12, num_hidden_layers=3, num_attention_heads=2, intermediate_size=20,
        decoder_hidden_size=12, decoder_num_hidden_layers=1, decoder_num_attention_heads=3,
        decoder_intermediate_size=18, num_brain_voxels=7, num_timepoints_per_voxel=40,
        timepoint_patching_size=8, conv_kernel_size=5,
    )  # fmt: skip
    built = BrainLM(config, with_decoder=True).state_dict()
    assert {key: tuple(value.shape) for key, value in built.items()} == expected_shapes(
        _raw(config)
    )


def test_that_cls_alone_is_the_cls_of_the_full_path(model, golden):
    signals, xyz = _inputs(golden)
    order = torch.randperm(72, generator=torch.Generator().manual_seed(2))
    full, _ = model.tokens(signals, xyz, order)
    torch.testing.assert_close(model.cls(signals, xyz, order), full, atol=1e-6, rtol=1e-6)
    few = torch.tensor([[5, 60, 3], [70, 1, 2]])  # fewer tokens than the kernel has taps
    last = model.vit.last(signals, xyz, few)[:, 0]
    torch.testing.assert_close(model.vit.cls(signals, xyz, few), last, atol=1e-6, rtol=1e-6)


def test_that_the_visible_tokens_give_the_published_cls(model, golden):
    signals, xyz = _inputs(golden)
    kept = _orders(golden["noise_random"])[:, :57]
    np.testing.assert_allclose(
        model.vit.cls(signals, xyz, kept), golden["recon_mask02_cls"], **CLOSE
    )


def test_that_a_batch_gives_what_single_windows_give(model, golden):
    signals, xyz = _inputs(golden)
    order = torch.arange(72).flip(0)
    both = model.cls(signals, xyz, order)
    for row in range(2):
        single = model.cls(signals[row : row + 1], xyz[row], order)
        torch.testing.assert_close(both[row], single[0], atol=1e-6, rtol=1e-6)


def test_that_an_absolute_loss_is_the_mean_absolute_error(golden):
    config = BrainLMConfig.from_mapping(
        {**json.loads((FIXTURE / "config.json").read_text()), "loss_fn": "mae"}
    )
    built = BrainLM(config, with_decoder=True)
    load_module(built, load_file(FIXTURE / "model.safetensors"), ignorable=UNUSED)
    signals, xyz = _inputs(golden)
    recon, mask, loss = built.reconstruct(signals, xyz, _orders(golden["noise_random"]), 0.2)
    hidden = mask.bool()
    error = (recon - signals.view(recon.shape))[hidden].abs().mean()
    assert float(loss) == pytest.approx(float(error), rel=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_landmarks", 32),
        ("hidden_act", "gelu_new"),
        ("loss_fn", "huber"),
        ("use_tanh_decoder", "no"),
        ("decoder_hidden_size", 128),
        ("conv_kernel_size", 64),
        ("conv_kernel_size", None),
        ("hidden_size", 10**12),
        ("num_hidden_layers", -1),
        ("layer_norm_eps", 0.0),
        ("timepoint_patching_size", 1.5),
    ],
)
def test_that_what_is_not_implemented_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        BrainLM(BrainLMConfig.from_mapping({field: value}), with_decoder=True)
