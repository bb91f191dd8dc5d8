"""Which tensors a published checkpoint must hold, by its own `config.json`.

The key lists are those of the two published families: "13m" (post-LayerNorm encoder with a
convolution in its attention) and "vit" (the masked autoencoder ViT-MAE). The file is foreign:
every number that is used is bounded before anything is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn

from app.core.errors import ModelError
from app.models.brainlm_config import POSITIONS
from app.models.brainlm_vit_config import CANVASES
from app.models.catalogue import CONFIG_LIMIT_BYTES

Family = Literal["13m", "vit"]
Shapes = dict[str, tuple[int, ...]]
# The 13M family carries the image head of its ancestor; it is never used.
UNUSED = ("decoder.decoder_pred.weight", "decoder.decoder_pred.bias")
_ARCHITECTURES: dict[str, Family] = {
    "BrainLMForPretraining": "13m",
    "ViTMAEForPreTraining": "vit",
    "BrainLMViTMAEForPreTraining": "vit",
}


def read_config(path: Path) -> dict[str, Any]:
    """The fields of a checkpoint's `config.json`, unknown ones included.

    Raises
    ------
    ModelError
        ``model.config`` when it is missing, too large, or no plain JSON table.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(CONFIG_LIMIT_BYTES + 1)
    except OSError as error:
        raise _fault("it cannot be read") from error
    if len(content) > CONFIG_LIMIT_BYTES:
        _refuse(f"it has more than {CONFIG_LIMIT_BYTES} bytes")
    return parse_config(content)


def parse_config(content: bytes) -> dict[str, Any]:
    """As `read_config`, from the bytes."""

    def constant(text: str) -> NoReturn:
        raise ValueError(text)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    try:
        config = json.loads(
            content.decode("utf-8"), parse_constant=constant, object_pairs_hook=once
        )
    except (ValueError, RecursionError) as error:
        raise _fault("it is not plain JSON, or names a field twice") from error
    if not isinstance(config, dict):
        _refuse("it is not a table")
    return config


def family_of(config: Mapping[str, Any]) -> Family:
    """The family by ``architectures``.

    Raises
    ------
    ModelError
        ``model.family``.
    """
    named = config.get("architectures")
    if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str):
        family = _ARCHITECTURES.get(named[0])
        if family is not None:
            return family
    raise ModelError(
        "The configuration names no architecture that this program knows.",
        f"Known: {', '.join(_ARCHITECTURES)}.",
        code="model.family",
    )


def expected_shapes(config: Mapping[str, Any]) -> Shapes:
    """Name and shape of every tensor that a checkpoint with this configuration must hold.

    Raises
    ------
    ModelError
        ``model.family``, or ``model.config`` for a size that no published encoder can have.
    """
    return _SHAPES[family_of(config)](config)


def family_of_names(names: Any) -> Family | None:
    """The family by a key that only one of them has, None where neither shows."""
    if any(name.endswith("attention.self.conv.weight") for name in names):
        return "13m"
    return "vit" if "vit.embeddings.patch_embeddings.projection.weight" in names else None


def _shapes_13m(config: Mapping[str, Any]) -> Shapes:
    width = _count(config, "hidden_size", 4096)
    decoder = _count(config, "decoder_hidden_size", 4096)
    patch = _count(config, "timepoint_patching_size", 1000)
    kernel = _count(config, "conv_kernel_size", 1025, default=65)
    frames = _count(config, "num_timepoints_per_voxel", 100_000)
    _count(config, "num_brain_voxels", 10_000)
    if frames % patch:
        _refuse("its window is no whole number of patches")
    if config.get("num_landmarks", 64) != config.get("segment_means_seq_len", 64):
        _refuse("it wants approximated attention (num_landmarks), which is not supported")
    if decoder != width:
        _refuse("decoder_hidden_size differs from hidden_size")
    if width % 2:
        _refuse("hidden_size is odd")
    shapes: Shapes = {
        "vit.embeddings.cls_token": (1, 1, width),
        "vit.embeddings.pos_embedding.pe": (POSITIONS, width),
        "vit.embeddings.signal_embedding_projection.weight": (width, patch),
        "vit.embeddings.signal_embedding_projection.bias": (width,),
        "vit.embeddings.xyz_embedding_projection.weight": (width, 3),
        "vit.embeddings.xyz_embedding_projection.bias": (width,),
        "decoder.mask_token": (1, 1, decoder),
        "decoder.pos_embedding.pe": (POSITIONS, width),
        **_linear("decoder.decoder_xyz_projection", 3, width),
        **_linear("decoder.decoder_embed", width, decoder),
        **_norm("vit.layernorm", width),
        **_norm("decoder.decoder_norm", decoder),
        **_linear("decoder.decoder_pred1", decoder, decoder // 2),
        **_linear("decoder.decoder_pred2", decoder // 2, patch),
    }
    for place, prefix, size in (
        ("vit.encoder.layer", "", width),
        ("decoder.decoder_layers", "decoder_", decoder),
    ):
        heads = _heads(config, f"{prefix}num_attention_heads", size)
        inner = _count(config, f"{prefix}intermediate_size", 16_384)
        for layer in range(_count(config, f"{prefix}num_hidden_layers", 64)):
            start = f"{place}.{layer}"
            for part in ("query", "key", "value"):
                shapes |= _linear(f"{start}.attention.self.{part}", size, size)
            shapes[f"{start}.attention.self.conv.weight"] = (heads, 1, kernel, 1)
            shapes |= _linear(f"{start}.attention.output.dense", size, size)
            shapes |= _norm(f"{start}.attention.output.LayerNorm", size)
            shapes |= _linear(f"{start}.intermediate.dense", size, inner)
            shapes |= _linear(f"{start}.output.dense", inner, size)
            shapes |= _norm(f"{start}.output.LayerNorm", size)
    return shapes


def _shapes_vit(config: Mapping[str, Any]) -> Shapes:
    width = _count(config, "hidden_size", 4096)
    decoder = _count(config, "decoder_hidden_size", 4096)
    patch, channels = _count(config, "patch_size", 64), _count(config, "num_channels", 3)
    canvas = CANVASES.get(patch)
    image = config.get("image_size")
    if canvas is None or image not in (canvas, [canvas, canvas]) or channels != 3:
        _refuse("only patches of 16 on a picture of 432 and of 14 on 434, in 3 channels, are known")
    if config.get("qkv_bias", True) is not True:
        _refuse("it has no biases in its attention (qkv_bias)")
    tokens = (canvas // patch) ** 2
    outputs = patch * patch * channels
    shapes: Shapes = {
        "vit.embeddings.cls_token": (1, 1, width),
        "vit.embeddings.position_embeddings": (1, 1 + tokens, width),
        "vit.embeddings.patch_embeddings.projection.weight": (width, channels, patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": (width,),
        "decoder.mask_token": (1, 1, decoder),
        "decoder.decoder_pos_embed": (1, 1 + tokens, decoder),
        **_norm("vit.layernorm", width),
        **_linear("decoder.decoder_embed", width, decoder),
        **_norm("decoder.decoder_norm", decoder),
        **_linear("decoder.decoder_pred", decoder, outputs),
    }
    for place, prefix, size in (
        ("vit.encoder.layer", "", width),
        ("decoder.decoder_layers", "decoder_", decoder),
    ):
        _heads(config, f"{prefix}num_attention_heads", size)
        inner = _count(config, f"{prefix}intermediate_size", 16_384)
        for layer in range(_count(config, f"{prefix}num_hidden_layers", 64)):
            start = f"{place}.{layer}"
            for part in ("query", "key", "value"):
                shapes |= _linear(f"{start}.attention.attention.{part}", size, size)
            shapes |= _linear(f"{start}.attention.output.dense", size, size)
            shapes |= _linear(f"{start}.intermediate.dense", size, inner)
            shapes |= _linear(f"{start}.output.dense", inner, size)
            shapes |= _norm(f"{start}.layernorm_before", size)
            shapes |= _norm(f"{start}.layernorm_after", size)
    return shapes


_SHAPES: dict[Family, Callable[[Mapping[str, Any]], Shapes]] = {
    "13m": _shapes_13m,
    "vit": _shapes_vit,
}


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, size: int) -> Shapes:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def _heads(config: Mapping[str, Any], field: str, width: int) -> int:
    heads = _count(config, field, 256)
    if width % heads:
        _refuse(f"{field} does not divide the width")
    return heads


def _count(
    config: Mapping[str, Any], field: str, largest: int, *, default: int | None = None
) -> int:
    value = config.get(field, default)
    if type(value) is not int or not 1 <= value <= largest:
        _refuse(f"{field} is not a whole number from 1 to {largest}")
    return value


def _fault(what: str) -> ModelError:
    return ModelError(
        f"The encoder's configuration (config.json) is not accepted: {what}.",
        "Get it again from its source, together with the weights.",
        code="model.config",
    )


def _refuse(what: str) -> NoReturn:
    raise _fault(what)
