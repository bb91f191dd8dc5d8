"""The ViT-MAE encoder against values made by the published implementation (random weights)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from app.models.brainlm_vit import BrainLMVit, grid_code, stable_y_order
from app.models.brainlm_vit_config import BrainLMVitConfig
from app.models.checkpoint_shapes import expected_shapes
from app.models.strict_loading import load_module
from tests.stock_vit import published_names

REFERENCE = Path(__file__).parents[2] / "reference"
FIXTURE = REFERENCE / "brainlm_vitmae_small"
CLOSE = {"atol": 1e-4, "rtol": 1e-4}
SMALL_14 = BrainLMVitConfig(
    hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
    decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
    decoder_intermediate_size=20, image_size=434, patch_size=14,
)  # fmt: skip


def raw_config() -> dict[str, object]:
    return dict(json.loads((FIXTURE / "config.json").read_text()))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(FIXTURE / "golden.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def model() -> BrainLMVit:
    built = BrainLMVit(BrainLMVitConfig.from_mapping(raw_config()), with_decoder=True)
    load_module(built, load_file(FIXTURE / "model.safetensors"))
    return built


@pytest.fixture(scope="module")
def inputs(golden):
    return torch.from_numpy(golden["signals_atlas_order"]), torch.from_numpy(golden["xyz"])


def _order(noise: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.argsort(noise, axis=1, kind="stable"))


def test_that_parcels_come_in_stable_y_order_and_are_scaled(model, golden, inputs):
    np.testing.assert_array_equal(stable_y_order(inputs[1]), golden["y_order"])
    np.testing.assert_array_equal(model.ordered(*inputs), golden["signals_scaled_reordered"])


def test_that_the_image_lies_in_the_middle_of_minus_one(model):
    image = model.image(torch.full((1, 424, 200), 7.0))
    assert image.shape == (1, 432, 432)
    assert torch.all(image[:, 4:428, 116:316] == 7.0)
    assert image.sum() == 7.0 * 424 * 200 - (432 * 432 - 424 * 200)
    assert BrainLMVit(SMALL_14).image(torch.ones(1, 424, 200))[0, 5, 117] == 1.0


def test_that_every_depth_reproduces_the_published_hidden_states(model, golden, inputs):
    states = model.vit.states(model.image(model.ordered(*inputs)))
    for depth in range(2):
        np.testing.assert_allclose(states[depth][:, 0], golden[f"step_hidden_{depth}_cls"], **CLOSE)
        np.testing.assert_allclose(
            states[depth][:, 1:], golden[f"step_hidden_{depth}_unshuffled"], **CLOSE
        )
    np.testing.assert_allclose(states[2][:, 0], golden["enc_mask0_prenorm_cls"], **CLOSE)
    np.testing.assert_allclose(states[3][:, 0], golden["enc_mask0_cls"], **CLOSE)
    np.testing.assert_allclose(states[3][:, 1:], golden["enc_mask0_patches_unshuffled"], **CLOSE)


def test_that_features_are_the_published_ones_in_the_box_that_bears_data(model, golden, inputs):
    cls, patches = model.tokens(*inputs)
    assert patches.shape == (1, 27, 13, 32)
    published = golden["enc_mask0_patches_unshuffled"].reshape(1, 27, 27, 32)[:, :, 7:20]
    np.testing.assert_allclose(cls, golden["enc_mask0_cls"], **CLOSE)
    np.testing.assert_allclose(patches, published, **CLOSE)
    np.testing.assert_allclose(model.cls(*inputs), golden["enc_mask0_cls"], **CLOSE)


def test_that_leaving_rows_out_of_the_last_layer_changes_nothing(model, inputs):
    image = model.image(model.ordered(*inputs))
    full = model.vit(image)
    cls, patches = model.tokens(*inputs)
    torch.testing.assert_close(cls, full[:, 0], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(model.cls(*inputs), full[:, 0], atol=1e-6, rtol=1e-6)
    box = full[:, 1:].view(1, 27, 27, 32)[:, :, 7:20]
    torch.testing.assert_close(patches, box, atol=1e-6, rtol=1e-6)


def test_that_folding_equal_channels_is_the_three_channel_convolution(model, inputs):
    image = model.image(model.ordered(*inputs))
    embedding = model.vit.embeddings.patch_embeddings
    three = embedding.projection(image[:, None].expand(-1, 3, -1, -1))
    torch.testing.assert_close(
        embedding(image), three.flatten(2).transpose(1, 2), atol=2e-6, rtol=1e-6
    )


def test_that_only_tokens_of_the_box_see_any_data(model):
    for config, box in ((model.config, slice(7, 20)), (SMALL_14, slice(8, 23))):
        rows, columns = config.box
        assert (rows, columns) == (slice(0, config.grid), box)
    image = BrainLMVit(SMALL_14).image(torch.ones(1, 424, 200))
    bearing = (image == 1.0).view(31, 14, 31, 14).any(dim=3).any(dim=1)
    assert bearing[:, 8:23].all()
    assert not bearing[:, :8].any()
    assert not bearing[:, 23:].any()


def test_that_any_order_of_tokens_gives_the_same_features(model, golden, inputs):
    image = model.image(model.ordered(*inputs))
    order = _order(golden["noise_a"])
    shuffled = model.vit(image, order)[:, 1:]
    restored = shuffled.gather(1, torch.argsort(order)[..., None].expand(-1, -1, 32))
    np.testing.assert_allclose(restored, golden["enc_mask0_patches_unshuffled"], **CLOSE)


def test_that_reconstruction_mask_and_loss_are_reproduced(model, golden, inputs):
    recon, mask, loss = model.reconstruct(*inputs, _order(golden["noise_a"]), 0.0)
    np.testing.assert_allclose(recon, golden["recon_mask0"], **CLOSE)
    assert not mask.any()
    assert torch.isnan(loss)
    order = _order(golden["noise_b"])
    recon, mask, loss = model.reconstruct(*inputs, order, 0.75)
    np.testing.assert_allclose(recon, golden["recon_mask075"], **CLOSE)
    np.testing.assert_array_equal(mask, golden["recon_mask075_mask"])
    np.testing.assert_allclose(float(loss), golden["recon_mask075_loss"][0], **CLOSE)
    image = model.image(model.ordered(*inputs))
    hidden = model.vit(image, order[:, :182])
    np.testing.assert_allclose(hidden[:, 0], golden["enc_mask075_cls"], **CLOSE)


def test_that_the_position_table_is_the_published_formula(model, golden):
    np.testing.assert_allclose(grid_code(32, 27)[0, :3], golden["pos_embed_check"], atol=1e-6)
    stored = model.vit.embeddings.position_embeddings
    torch.testing.assert_close(grid_code(32, 27), stored.detach(), atol=1e-5, rtol=0)


def test_that_gradients_reach_the_series(model, inputs):
    series = inputs[0].clone().requires_grad_(True)
    cls, patches = model.tokens(series, inputs[1])
    (gradient,) = torch.autograd.grad(cls.sum() + patches.square().sum(), series)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum(dim=2).min() > 0  # every parcel


@pytest.mark.parametrize("patch", [14, 16])
def test_that_a_stock_implementation_agrees_at_both_patch_sizes(patch):
    transformers = pytest.importorskip("transformers", reason="benchmark peer not installed")
    config = dataclasses.replace(SMALL_14, patch_size=patch, image_size={14: 434, 16: 432}[patch])
    sizes = {name: getattr(config, name) for name in BrainLMVitConfig.__slots__}
    torch.manual_seed(3)
    stock = transformers.ViTMAEForPreTraining(
        transformers.ViTMAEConfig(**sizes, mask_ratio=0.0, hidden_act="gelu")
    ).eval()
    with torch.no_grad():
        for parameter in stock.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    ours = BrainLMVit(config, with_decoder=True)
    load_module(ours, published_names(stock.state_dict()))
    series, xyz = 3 * torch.randn(2, 424, 200), torch.randint(-60, 60, (424, 3)).float()
    noise = torch.rand(2, config.token_count)
    image = ours.image(ours.ordered(series, xyz))[:, None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        theirs = stock(image, noise=noise)
        encoded = stock.vit(image, noise=noise).last_hidden_state
        order = torch.argsort(noise, dim=1)
        recon, _, _ = ours.reconstruct(series, xyz, order, 0.0)
        cls, patches = ours.tokens(series, xyz)
    grid = config.grid
    restored = encoded[:, 1:].gather(
        1, torch.argsort(order, dim=1)[..., None].expand(-1, -1, config.hidden_size)
    )
    box = restored.view(2, grid, grid, -1)[:, config.box[0], config.box[1]]
    torch.testing.assert_close(cls, encoded[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(patches, box, atol=1e-5, rtol=1e-5)
    whole = stock.unpatchify(theirs.logits, (config.image_size, config.image_size)).mean(dim=1)
    rows, columns = config.margins
    cut = whole[:, rows : rows + 424, columns : columns + 200]
    torch.testing.assert_close(recon, cut, atol=2e-5, rtol=1e-4)


def _published(name: str) -> dict[str, tuple[int, ...]]:
    rows = (REFERENCE / "brainlm_keys" / name).read_text().splitlines()
    return {row.split("\t")[0]: tuple(json.loads(row.split("\t")[1])) for row in rows if row}


@pytest.mark.parametrize(
    ("listing", "count", "trainable", "sizes"),
    [
        ("vitmae_111M_presumed.tsv", 334, 111_655_680, (768, 12, 12, 3072, 432, 16)),
        ("vitmae_650M.tsv", 654, 656_613_964, (1280, 32, 16, 5120, 434, 14)),
    ],
)
def test_that_full_size_keys_match_the_published_lists(listing, count, trainable, sizes):
    width, depth, heads, inner, side, patch = sizes
    config = BrainLMVitConfig(width, depth, heads, inner, 512, 8, 16, 2048, side, patch)
    published = _published(listing)
    assert len(published) == count
    raw = {**dataclasses.asdict(config), "architectures": ["ViTMAEForPreTraining"]}
    assert expected_shapes(raw) == published
    with torch.device("meta"):
        built = BrainLMVit(config, with_decoder=True)
    assert {key: tuple(value.shape) for key, value in built.state_dict().items()} == published
    learned = [parameter for parameter in built.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in learned) == trainable


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("train_mode", "predict_last"),
        ("hidden_act", "relu"),
        ("qkv_bias", False),
        ("norm_pix_loss", True),
        ("patch_size", 8),
        ("patch_size", 14),  # with a canvas of 432
        ("image_size", [432, 400]),
        ("image_size", 448),
        ("num_attention_heads", 5),
        ("hidden_size", 10**12),
        ("num_hidden_layers", 0),
        ("num_hidden_layers", True),
        ("hidden_size", "768"),
        ("layer_norm_eps", float("nan")),
        ("num_timepoints_per_voxel", 201),
        ("num_timepoints_per_voxel", 500),
    ],
)
def test_that_what_is_not_implemented_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        BrainLMVitConfig.from_mapping({**raw_config(), field: value})


def test_that_head_counts_are_never_guessed_and_unknown_fields_are_ignored():
    values = raw_config()
    del values["num_attention_heads"]
    with pytest.raises(ValueError, match="num_attention_heads"):
        BrainLMVitConfig.from_mapping(values)
    config = BrainLMVitConfig.from_mapping({**raw_config(), "weight_decay": 1e-5})
    assert config == BrainLMVitConfig.from_mapping(raw_config())
