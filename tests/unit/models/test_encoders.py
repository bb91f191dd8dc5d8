"""Encoders by name or folder, their contracts, and what they say of windows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from app.core.errors import CancelledError, ModelError
from app.core.folders import installed_encoder_folder
from app.core.progress import Progress
from app.models.brainlm_vit import BrainLMVit
from app.models.encoders import (
    LoadedEncoder,
    agreed_contract,
    check_series_fits,
    open_encoder,
)
from app.models.encoding import check_coordinates, embed
from app.models.precision import Deviation, in_precision
from app.models.token_order import token_orders

REFERENCE = Path(__file__).parents[2] / "reference"
LM, VIT = REFERENCE / "brainlm_mini13m", REFERENCE / "brainlm_vitmae_small"


@pytest.fixture(scope="module")
def small() -> LoadedEncoder:
    return open_encoder(str(LM))


@pytest.fixture(scope="module")
def vit() -> LoadedEncoder:
    return open_encoder(str(VIT))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(LM / "golden.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def demonstration() -> LoadedEncoder:
    return open_encoder("simulated-demo")


def test_that_a_checkpoint_states_sizes_and_leaves_the_normalisation_open(small, vit) -> None:
    assert (small.contract.parcel_count, small.contract.window_frames) == (24, 60)
    assert small.contract.normalisation == ""
    assert small.order_matters
    assert vit.contract.atlas == "A424"  # 424 parcels
    assert vit.token_count == 729
    assert not vit.order_matters


def test_that_an_installed_encoder_is_found_by_its_id_and_before_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(LM, installed_encoder_folder("pilot"))
    (tmp_path / "pilot").mkdir()  # an empty folder of the same name
    assert open_encoder("pilot").name == "pilot"
    with pytest.raises(ModelError) as caught:
        open_encoder("nothing-of-that-name")
    assert caught.value.code == "model.missing"
    for name in ("..", ".", "", "../pilot/..", "a b"):
        with pytest.raises(ModelError):
            open_encoder(name)
    shutil.copytree(LM, tmp_path / "a b")
    assert open_encoder("a b").name == "a b"


def test_that_the_demonstrations_encoder_brings_its_whole_contract(demonstration) -> None:
    contract = demonstration.contract
    assert (contract.parcel_count, contract.window_frames, contract.atlas) == (426, 200, "HCPEx")
    assert contract.normalisation == "percent_scaled"
    assert demonstration.stored_orders.shape == (1, 4260)
    assert agreed_contract(demonstration) == contract
    assert agreed_contract(demonstration, repetition_time_policy="frames") == contract
    for choice in (
        {"normalisation": "robust_scan"},
        {"repetition_time_policy": "physical"},
        {"short_scans": "reflect"},
        {"maximum_missing_parcels": 99},
    ):
        with pytest.raises(ModelError) as caught:
            agreed_contract(demonstration, **choice)
        assert caught.value.code == "model.contract"


def test_that_a_normalisation_must_be_chosen_for_a_published_encoder(small) -> None:
    for name in (None, "zscore", "percent_scaled"):
        with pytest.raises(ModelError) as caught:
            agreed_contract(small, normalisation=name)
        assert caught.value.code == "model.normalisation"
    agreed = agreed_contract(
        small, normalisation="robust_scan", repetition_time_policy="physical",
        short_scans="reflect", maximum_missing_parcels=3,
    )  # fmt: skip
    assert agreed.repetition_time_policy == "physical"
    assert (agreed.short_scans, agreed.maximum_missing_parcels) == ("reflect", 3)


def test_that_another_atlas_or_order_is_refused_and_silence_is_told(vit, demonstration) -> None:
    with pytest.raises(ModelError) as caught:
        check_series_fits(vit, (), "HCPEx")
    assert caught.value.code == "model.atlas"
    assert check_series_fits(vit, (), "a424") == ()
    assert "A424" in check_series_fits(vit, (), "")[0]
    from app.connectome.atlases import load_atlas

    names = load_atlas("HCPEx").parcel_names
    assert check_series_fits(demonstration, names, "HCPEx") == ()
    swapped = (names[1], names[0], *names[2:])
    with pytest.raises(ModelError) as caught:
        check_series_fits(demonstration, swapped, "HCPEx")
    assert caught.value.code == "model.parcel_order"


def test_that_embeddings_are_the_published_features(small, golden) -> None:
    orders, _ = token_orders("identity", 72)
    found = embed(small, golden["signals"], golden["xyz"][0], orders, device="cpu")
    cls, patches = small.tokens(
        torch.from_numpy(golden["signals"]), torch.from_numpy(golden["xyz"][0]), torch.arange(72)
    )
    np.testing.assert_allclose(found.cls, cls, atol=1e-6)
    np.testing.assert_allclose(found.patches, patches, atol=1e-6)
    np.testing.assert_allclose(
        found.cls[0], golden["enc_mask0_identity_cls"][0], atol=1e-4, rtol=1e-4
    )
    assert (found.order_spread, found.deviation, found.notes) == (None, None, ())


def test_that_cls_alone_and_any_batch_give_the_same(small, golden) -> None:
    windows = np.concatenate([golden["signals"]] * 3)[:5]
    orders, _ = token_orders("random:2", 72)
    xyz = golden["xyz"][0]
    whole = embed(small, windows, xyz, orders, device="cpu")
    for batch in (2, 5, 64):
        alone = embed(small, windows, xyz, orders, with_patches=False, batch=batch, device="cpu")
        assert alone.patches is None
        np.testing.assert_allclose(alone.cls, whole.cls, atol=2e-6)
    again = embed(small, windows, xyz, orders, device="cpu")
    np.testing.assert_array_equal(again.cls, whole.cls)
    np.testing.assert_array_equal(again.patches, whole.patches)


def test_that_several_orders_are_averaged_and_their_spread_is_told(small, golden) -> None:
    orders, _ = token_orders("random:3:5", 72)
    xyz = golden["xyz"][0]
    found = embed(small, golden["signals"], xyz, orders, device="cpu")
    single = [embed(small, golden["signals"], xyz, order[None], device="cpu") for order in orders]
    mean = np.mean([one.cls for one in single], axis=0, dtype=float)
    np.testing.assert_allclose(found.cls, mean, atol=1e-6)
    patches = np.mean([one.patches for one in single], axis=0, dtype=float)
    np.testing.assert_allclose(found.patches, patches, atol=1e-6)
    distance = [np.linalg.norm(one.cls - mean, axis=1) for one in single]
    spread = np.sqrt(np.mean(np.square(distance), axis=0)) / np.linalg.norm(mean, axis=1)
    np.testing.assert_allclose(found.order_spread, spread, rtol=1e-4)
    assert found.order_spread.min() > 0.1  # the order is no detail


def test_that_the_vit_gives_the_tokens_that_bear_data(vit) -> None:
    with np.load(VIT / "golden.npz") as archive:
        signals, xyz = archive["signals_atlas_order"], archive["xyz"]
        expected = archive["enc_mask0_patches_unshuffled"].reshape(27, 27, 32)[:, 7:20]
    orders, _ = token_orders("identity", 729)
    found = embed(vit, signals, xyz, orders, device="cpu")
    assert isinstance(vit.module, BrainLMVit)
    np.testing.assert_allclose(found.patches[0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_that_half_precision_is_measured_and_keeps_layer_norm_in_float32(
    small, vit, golden, precision
) -> None:
    orders, _ = token_orders("identity", 72)
    found = embed(
        small, golden["signals"], golden["xyz"][0], orders, precision=precision, device="cpu"
    )
    exact = embed(small, golden["signals"], golden["xyz"][0], orders, device="cpu")
    assert found.deviation is not None
    assert 1e-5 < found.deviation.relative < 0.05
    first = Deviation.between(torch.tensor(found.cls[:1]), torch.tensor(exact.cls[:1]))
    assert found.deviation.relative == pytest.approx(first.relative, rel=0.5)
    for encoder, shape in ((small, (1, 24, 60)), (vit, (1, 424, 200))):
        types = _layer_norm_types(encoder, shape, precision)
        assert len(types) >= 5
        assert set(types) == {(torch.float32, torch.float32)}


def _layer_norm_types(
    encoder: LoadedEncoder, shape: tuple[int, ...], precision: str
) -> list[tuple[torch.dtype, torch.dtype]]:
    """What went into and came out of every LayerNorm of one pass."""
    seen: list[tuple[torch.dtype, torch.dtype]] = []
    hooks = [
        module.register_forward_hook(
            lambda _module, given, out: seen.append((given[0].dtype, out.dtype))
        )
        for module in encoder.module.modules()
        if isinstance(module, torch.nn.LayerNorm)
    ]
    places = torch.randn(shape[1], 3) * 40
    with torch.no_grad(), in_precision(precision, "cpu"):
        encoder.tokens(torch.randn(shape), places, torch.arange(encoder.token_count))
    for hook in hooks:
        hook.remove()
    return seen


def test_that_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        in_precision("float8", "cpu")
    assert caught.value.code == "model.precision"


@pytest.mark.parametrize(
    "change",
    [
        lambda xyz: xyz[:-1],
        lambda xyz: xyz / 100,  # scaled
        lambda xyz: xyz * 1000,
        lambda xyz: np.where(np.arange(3) == 1, 5.0, xyz),  # all in one plane
        lambda xyz: np.where(np.arange(24)[:, None] == 3, np.nan, xyz),
    ],
)
def test_that_coordinates_that_are_no_mni_millimetres_are_refused(golden, change) -> None:
    with pytest.raises(ModelError) as caught:
        check_coordinates(change(golden["xyz"][0]), 24)
    assert caught.value.code == "model.coordinates"


def test_that_values_that_overflow_inside_are_refused(small, golden) -> None:
    orders, _ = token_orders("identity", 72)
    with pytest.raises(ModelError) as caught:
        embed(small, golden["signals"] * 1e38, golden["xyz"][0], orders, device="cpu")
    assert caught.value.code == "model.not_finite"


def test_that_a_cancel_takes_hold_between_batches(small, golden) -> None:
    asked = iter([False, True])
    orders, _ = token_orders("random:4", 72)
    with pytest.raises(CancelledError):
        embed(
            small, golden["signals"], golden["xyz"][0], orders, device="cpu",
            progress=Progress(cancelled=lambda: next(asked, True)),
        )  # fmt: skip


def test_that_memory_running_out_goes_to_one_window_and_says_so(
    small, golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LoadedEncoder.tokens

    def narrow(self, windows, places, order):
        if len(windows) > 1:
            raise torch.OutOfMemoryError("too much")
        return real(self, windows, places, order)

    monkeypatch.setattr(LoadedEncoder, "tokens", narrow)
    orders, _ = token_orders("identity", 72)
    found = embed(small, golden["signals"], golden["xyz"][0], orders, batch=2, device="cpu")
    assert found.batch == 1
    assert "one window at a time" in found.notes[0]


def test_that_a_published_encoder_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match="checkpoint-1400 is not installed") as caught:
        open_encoder("checkpoint-1400")
    assert "models install checkpoint-1400" in caught.value.hint
    assert "models import" in caught.value.hint
