"""Checkpoint folders are opened strictly; each that does not fit gets one clear sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from app.core.errors import ModelError
from app.core.provenance import file_sha256
from app.models.brainlm import BrainLM
from app.models.brainlm_vit import BrainLMVit
from app.models.checkpoints import check_trial, open_checkpoint, shown_by_shapes

REFERENCE = Path(__file__).parents[2] / "reference"
FIXTURES = {"13m": REFERENCE / "brainlm_mini13m", "vit": REFERENCE / "brainlm_vitmae_small"}
WEIGHTS = "model.safetensors"


@pytest.fixture(params=["13m", "vit"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(family: str, tmp_path: Path) -> Path:
    """A private copy of a fixture's two files."""
    for name in ("config.json", WEIGHTS):
        shutil.copy(FIXTURES[family] / name, tmp_path / name)
    return tmp_path


def change_config(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(config))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, str(folder / WEIGHTS))


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        open_checkpoint(folder)
    assert caught.value.hint
    return caught.value


def test_that_a_checkpoint_opens_frozen_and_hashed(family: str, folder: Path) -> None:
    found = open_checkpoint(folder)
    assert found.family == family
    assert isinstance(found.module, BrainLM if family == "13m" else BrainLMVit)
    assert found.sha256 == {name: file_sha256(folder / name) for name in ("config.json", WEIGHTS)}
    assert not any(parameter.requires_grad for parameter in found.module.parameters())
    assert not found.module.training
    assert found.raw_config["initializer_range"] == 0.02  # unknown fields are kept
    assert found.module.decoder is None


def test_that_an_opened_checkpoint_gives_the_published_features(family: str) -> None:
    module = open_checkpoint(FIXTURES[family], with_decoder=True).module
    with np.load(FIXTURES[family] / "golden.npz") as golden:
        xyz = torch.from_numpy(golden["xyz"])
        if isinstance(module, BrainLM):
            cls = module.cls(torch.from_numpy(golden["signals"]), xyz, torch.arange(72))
            expected = golden["enc_mask0_identity_cls"]
        else:
            cls = module.cls(torch.from_numpy(golden["signals_atlas_order"]), xyz)
            expected = golden["enc_mask0_cls"]
    np.testing.assert_allclose(cls, expected, atol=1e-4, rtol=1e-4)
    assert module.decoder is not None


def _record(folder: Path, sha256: str, *checks: str) -> None:
    lines = ["[files.'model.safetensors']", f"sha256 = '{sha256}'"]
    for number, check in enumerate(checks):
        lines += [f"[source.file{number}]", f"check = '{check}'"]
    (folder / "installed.toml").write_text("\n".join(lines) + "\n")


def test_that_a_file_that_changed_since_it_was_installed_is_refused(folder: Path) -> None:
    _record(folder, file_sha256(folder / WEIGHTS), "pinned")
    assert "installed.toml" in open_checkpoint(folder).sha256
    change_tensors(folder, lambda t: t["vit.layernorm.bias"].add_(1.0))
    assert refusal(folder).code == "model.hash"


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        (("pinned", "pinned"), "verified"),
        (("pinned", "reported"), "as reported"),
        (("pinned", "unknown"), "unverified"),
        (("pinned", "believed"), "unverified"),
        ((), "unverified"),
    ],
)
def test_that_the_weakest_check_of_an_installation_is_told(
    folder: Path, checks: tuple[str, ...], words: str
) -> None:
    _record(folder, file_sha256(folder / WEIGHTS), *checks)
    assert open_checkpoint(folder).trust.startswith(words)
    (folder / "installed.toml").write_text("no = [toml")
    assert open_checkpoint(folder).trust.startswith("unverified")


def test_that_half_precision_weights_are_widened(folder: Path) -> None:
    change_tensors(folder, lambda t: t.update({k: v.to(torch.bfloat16) for k, v in t.items()}))
    module = open_checkpoint(folder).module
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_that_config_of_one_family_with_weights_of_the_other_is_refused(
    family: str, folder: Path
) -> None:
    other = "vit" if family == "13m" else "13m"
    shutil.copy(FIXTURES[other] / WEIGHTS, folder / WEIGHTS)
    error = refusal(folder)
    assert error.code == "model.family"
    assert "13M" in error.message
    assert "ViT" in error.message


def test_that_a_config_of_an_unknown_architecture_is_refused(folder: Path) -> None:
    change_config(folder, architectures=["BertModel"])
    assert refusal(folder).code == "model.family"


@pytest.mark.parametrize(
    "field",
    ["hidden_size", "intermediate_size", "num_hidden_layers", "decoder_intermediate_size",
     "decoder_num_hidden_layers"],
)  # fmt: skip
def test_that_a_size_that_differs_from_the_shapes_is_named(folder: Path, field: str) -> None:
    before = json.loads((folder / "config.json").read_text())[field]
    change_config(folder, **{field: 2 * before})
    error = refusal(folder)
    assert error.code == "model.config_differs"
    assert f"{field} {2 * before} instead of {before}" in error.message


@pytest.mark.parametrize(
    ("family", "field", "value"),
    [
        ("13m", "num_attention_heads", 4),  # shows in the convolution
        ("13m", "decoder_num_attention_heads", 8),
        ("13m", "timepoint_patching_size", 10),
        ("13m", "conv_kernel_size", 33),
        ("vit", "image_size", [434, 434]),
        ("vit", "patch_size", 14),
    ],
    indirect=["family"],
)
def test_that_what_only_one_family_shows_is_compared(folder: Path, field: str, value: Any) -> None:
    change_config(folder, **{field: value})
    error = refusal(folder)
    assert error.code == "model.config_differs"
    assert field in error.message


@pytest.mark.parametrize(
    ("family", "field", "value"),
    [
        ("13m", "hidden_act", "relu"),
        ("13m", "num_landmarks", 32),
        ("vit", "train_mode", "predict_last"),
        ("vit", "hidden_act", "relu"),
        ("vit", "num_attention_heads", 5),  # shows nowhere, but cannot be
    ],
    indirect=["family"],
)
def test_that_a_config_that_is_not_implemented_is_refused_by_name(
    folder: Path, field: str, value: Any
) -> None:
    change_config(folder, **{field: value})
    error = refusal(folder)
    assert error.code == "model.config"
    assert field in error.message


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"architectures": NaN}', b"[" * 100_000])
def test_that_a_config_that_is_no_table_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    assert refusal(folder).code in ("model.config", "model.family")


def _drop_five(tensors: dict[str, torch.Tensor]) -> None:
    for key in sorted(tensors)[:5]:
        del tensors[key]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_drop_five, "model.keys"),
        (lambda t: t.update({"vit.extra": torch.zeros(2)}), "model.keys"),
        (lambda t: t.update({"vit.layernorm.bias": torch.zeros(31)}), "model.shape"),
        (lambda t: t["vit.layernorm.bias"].fill_(float("nan")), "model.not_finite"),
        (lambda t: t["vit.layernorm.weight"].fill_(float("inf")), "model.not_finite"),
        (lambda t: t.update({"vit.layernorm.bias": torch.zeros(32, dtype=int)}), "model.dtype"),
    ],
)
def test_that_weights_that_do_not_fit_are_refused(folder: Path, change: Any, code: str) -> None:
    change_tensors(folder, change)
    error = refusal(folder)
    assert error.code == code
    if change is _drop_five:
        dropped = sorted(load_file(FIXTURES[_family(folder)] / WEIGHTS))[:5]
        assert all(key in error.message for key in dropped[:3])
        assert dropped[3] not in error.message


def _family(folder: Path) -> str:
    return "13m" if "brainlm_mae" in (folder / "config.json").read_text() else "vit"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_that_a_truncated_file_is_refused(folder: Path, share: float) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: int(share * len(data))])
    error = refusal(folder)
    assert error.code == "model.damaged"
    assert error.hint == "Get the file again from its source."


def test_that_a_pointer_instead_of_the_file_is_named(folder: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 45\n"
    (folder / WEIGHTS).write_text(pointer)
    assert "Git LFS" in refusal(folder).message


def test_that_a_pickle_is_never_opened_here(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    error = refusal(folder)
    assert error.code == "model.not_converted"
    assert "models import" in error.hint


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
def test_that_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refusal(folder)
    assert error.code == "model.missing"
    assert name in error.message
    assert refusal(folder / "nowhere").code == "model.missing"


def test_that_a_file_above_the_limit_is_refused_before_it_is_read(folder: Path) -> None:
    with (folder / WEIGHTS).open("r+b") as handle:
        handle.truncate(3_000_000_001)  # sparse
    assert refusal(folder).code == "model.too_large"


def test_that_the_trial_pass_refuses_numbers_that_overflow(folder: Path) -> None:
    module = open_checkpoint(folder).module
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("intermediate.dense.weight"):
                parameter.fill_(3e38)
    with pytest.raises(ModelError) as caught:
        check_trial(module)
    assert caught.value.code == "model.trial"


def test_that_the_shapes_show_all_but_the_head_counts_of_the_vit(family: str) -> None:
    tensors = load_file(FIXTURES[family] / WEIGHTS)
    shown = shown_by_shapes(
        "13m" if family == "13m" else "vit", {k: tuple(v.shape) for k, v in tensors.items()}
    )
    config = json.loads((FIXTURES[family] / "config.json").read_text())
    assert all(config[name] in (value, [value, value]) for name, value in shown.items())
    assert ("num_attention_heads" in shown) == (family == "13m")
    assert len(shown) == (10 if family == "13m" else 9)


def _full_size(folder: Path, listing: str, config: dict[str, Any]) -> Path:
    """A checkpoint of published size from its published list of tensors; all zeros, so sparse."""
    header, place = {}, 0
    for row in (REFERENCE / "brainlm_keys" / listing).read_text().splitlines():
        key, shape, dtype = row.split("\t")
        assert dtype == "torch.float32"
        end = place + 4 * int(np.prod(json.loads(shape)))
        header[key] = {"dtype": "F32", "shape": json.loads(shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    with (folder / WEIGHTS).open("wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        handle.truncate(8 + len(text) + place)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("listing", "width", "parameters"),
    [("github_ckpt1400_h256.tsv", 256, 7_607_724), ("old_13M_presumed_h512.tsv", 512, 18_549_292)],
)
def test_that_checkpoints_of_published_size_open_strictly(
    tmp_path: Path, listing: str, width: int, parameters: int
) -> None:
    config = {
        "architectures": ["BrainLMForPretraining"], "hidden_size": width, "num_hidden_layers": 4,
        "num_attention_heads": 4, "intermediate_size": 1024, "decoder_hidden_size": width,
        "decoder_num_hidden_layers": 2, "decoder_num_attention_heads": 4, "num_landmarks": 64,
        "decoder_intermediate_size": 1024, "num_brain_voxels": 424, "segment_means_seq_len": 64,
        "num_timepoints_per_voxel": 200, "timepoint_patching_size": 20, "conv_kernel_size": 65,
        "_name_or_path": "2023-07-17-19_00_00/checkpoint-1750", "max_eval_samples": 800,
    }  # fmt: skip
    found = open_checkpoint(_full_size(tmp_path, listing, config), with_decoder=True)
    unused = 768 * width + 768
    assert found.parameter_count + unused == parameters
    assert found.raw_config["max_eval_samples"] == 800
    change_config(tmp_path, num_attention_heads=8)
    assert "num_attention_heads 8 instead of 4" in refusal(tmp_path).message
