"""Opens a folder with a published encoder: strictly, from safetensors only, judged before use.

The order of the checks: `config.json`; the header of the weights (family, then what the shapes
show against what the configuration says, then every name and shape); every value; at last one
forward pass that must be finite and the same twice. Nothing is allocated for a file whose
header does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.brainlm_vit import BrainLMVit
from app.models.brainlm_vit_config import BrainLMVitConfig
from app.models.catalogue import CONFIG_NAME, MAX_CHECKPOINT_BYTES, SOURCE_NAME, WEIGHTS_NAME
from app.models.checkpoint_record import RECORD_NAME, trust_of
from app.models.checkpoint_shapes import (
    UNUSED,
    Family,
    expected_shapes,
    family_of,
    family_of_names,
    read_config,
)
from app.models.device import fixed_threads
from app.models.safetensors_header import FLOATING, read_header, unusable_type
from app.models.strict_loading import check_names_and_shapes, check_tensors, read_tensors

TRIAL_TOKENS = 96  # of the trial pass: every layer works, at a small part of the cost

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A published encoder in memory: frozen, in eval mode, float32, on the CPU."""

    family: Family
    module: BrainLM | BrainLMVit
    raw_config: dict[str, Any]  # the whole config.json, unknown fields included
    sha256: dict[str, str]  # of every file that was read, by its name
    trust: str  # how far these hashes are known, in words
    parameter_count: int  # of all tensors that are used, the decoder's included

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file."""
        return self.sha256[WEIGHTS_NAME]


def open_checkpoint(
    folder: Path, *, with_decoder: bool = False, progress: Progress | None = None
) -> Checkpoint:
    """Open ``folder/config.json`` and ``folder/model.safetensors``.

    Parameters
    ----------
    folder
        As `transformers` writes it, or as an installation left it.
    with_decoder
        Build the decoder too; its tensors are checked in any case.
    progress
        Told between the steps; a cancel takes hold there.

    Raises
    ------
    ModelError
        ``model.missing``, ``.not_converted``, ``.too_large``, ``.config``, ``.family``,
        ``.config_differs``, ``.hash``, ``.damaged``, ``.keys``, ``.shape``, ``.dtype``,
        ``.not_finite``, ``.memory`` or ``.trial``.
    """
    progress = progress or Progress()
    weights = _weights_file(folder)
    raw = read_config(folder / CONFIG_NAME)
    family = family_of(raw)
    shapes, dtypes = _outline(weights)
    _check_family(family, shapes)
    _check_against_shapes(raw, shown_by_shapes(family, shapes))
    expected = expected_shapes(raw)
    ignorable = UNUSED if family == "13m" else ()
    check_names_and_shapes(shapes, expected, ignorable=ignorable)
    _check_floating(dtypes)
    config = _config(family, raw)
    progress.step(0.1, "SHA-256 of the weights")
    hashes = {
        name: file_sha256(folder / name)
        for name in (CONFIG_NAME, WEIGHTS_NAME, RECORD_NAME)
        if (folder / name).is_file()
    }
    trust = trust_of(folder, hashes)
    progress.step(0.4, "reading the weights")
    tensors = read_tensors(weights, max_bytes=MAX_CHECKPOINT_BYTES)
    check_tensors(tensors, expected, ignorable=ignorable)
    progress.step(0.7, "building the encoder")
    module = _built(config, tensors, with_decoder=with_decoder)
    progress.step(0.9, "trial pass")
    check_trial(module)
    count = sum(math.prod(shape) for shape in expected.values())
    return Checkpoint(family, module, raw, hashes, trust, count)


def _weights_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise ModelError(
            "There is no folder with an encoder at this place.",
            "Name an installed encoder (`main.py models list`) or a folder with config.json and "
            "model.safetensors.",
            code="model.missing",
        )
    if not (folder / CONFIG_NAME).is_file():
        raise ModelError(
            "The folder holds no config.json, so nothing says what the weights are.",
            "Put the checkpoint's own config.json beside the weights.",
            code="model.missing",
        )
    weights = folder / WEIGHTS_NAME
    if weights.is_file():
        return weights
    if (folder / SOURCE_NAME).is_file():
        raise ModelError(
            f"The folder holds {SOURCE_NAME}, which is never opened directly.",
            "A published one: `main.py models import DIR`, then use its id. One of your own: "
            "`main.py models convert DIR --out NEWDIR`, then use NEWDIR.",
            code="model.not_converted",
        )
    raise ModelError(
        f"The folder holds no {WEIGHTS_NAME}.",
        "A single .bin is converted once with `main.py models convert DIR --out NEWDIR`; weights "
        "in several pieces are not read: put them together first.",
        code="model.missing",
    )


def _outline(weights: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes and types as the header announces them."""
    size = weights.stat().st_size
    if size > MAX_CHECKPOINT_BYTES:
        raise ModelError(
            f"The weights file has {size} bytes; at most {MAX_CHECKPOINT_BYTES} are read.",
            "No published encoder is larger: check that this is the right file.",
            code="model.too_large",
        )
    entries = read_header(weights)
    return (
        {entry.name: entry.shape for entry in entries},
        {entry.name: entry.dtype for entry in entries},
    )


def _check_family(family: Family, shapes: Shapes) -> None:
    seen = family_of_names(shapes)
    if seen == family:
        return
    names = {"13m": "BrainLM 13M family", "vit": "BrainLM ViT-MAE", None: "neither family"}
    raise ModelError(
        f"config.json describes a {names[family]}, but the tensors are of {names[seen]}.",
        "Take config.json and weights from the same folder of the source.",
        code="model.family",
    )


def shown_by_shapes(family: Family, shapes: Shapes) -> dict[str, Any]:
    """Fields of the configuration that the shapes of the tensors give away.

    The ViT family's head counts cannot be seen; those of the 13M family show in the convolution.
    A tensor that is missing shows nothing here; the list of names finds it afterwards.
    """
    shown: dict[str, Any] = {}

    def show(field: str, key: str, of_shape: Callable[[tuple[int, ...]], int]) -> None:
        shape = shapes.get(key)
        if shape:
            shown[field] = of_shape(shape)

    show("decoder_hidden_size", "decoder.mask_token", lambda s: s[-1])
    show("hidden_size", "vit.embeddings.cls_token", lambda s: s[-1])
    for prefix, place in (("", "vit.encoder.layer"), ("decoder_", "decoder.decoder_layers")):
        show(f"{prefix}intermediate_size", f"{place}.0.intermediate.dense.weight", lambda s: s[0])
        layers = {key[len(place) + 1 :].split(".")[0] for key in shapes if key.startswith(place)}
        shown[f"{prefix}num_hidden_layers"] = len(layers)
        if family == "13m":
            conv = f"{place}.0.attention.self.conv.weight"
            show(f"{prefix}num_attention_heads", conv, lambda s: s[0])
            show("conv_kernel_size", conv, lambda s: s[2] if len(s) > 2 else 0)
    if family == "13m":
        signal = "vit.embeddings.signal_embedding_projection.weight"
        show("timepoint_patching_size", signal, lambda s: s[-1])
    else:
        kernel = "vit.embeddings.patch_embeddings.projection.weight"
        show("patch_size", kernel, lambda s: s[-1])
        show("num_channels", kernel, lambda s: s[1] if len(s) > 1 else 0)
        places = shapes.get("vit.embeddings.position_embeddings", ())
        if len(places) == 3 and "patch_size" in shown:
            shown["image_size"] = round(max(places[1] - 1, 0) ** 0.5) * shown["patch_size"]
    return shown


def _check_against_shapes(raw: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """What the configuration says must be what the tensors show; absent fields are not judged."""
    differing = [
        f"{name} {raw[name]!r} instead of {value}"
        for name, value in shown.items()
        if name in raw and raw[name] != value and raw[name] != [value, value]
    ]
    if differing:
        raise ModelError(
            "config.json does not fit the weights: it says " + ", ".join(differing[:3])[:300] + ".",
            "Take config.json and weights from the same folder of the source.",
            code="model.config_differs",
        )


def _check_floating(dtypes: Mapping[str, str]) -> None:
    for name, dtype in dtypes.items():
        if dtype not in FLOATING:
            raise unusable_type(name, dtype)


def _config(family: Family, raw: Mapping[str, Any]) -> BrainLMConfig | BrainLMVitConfig:
    try:
        if family == "vit":
            return BrainLMVitConfig.from_mapping(raw)
        config = BrainLMConfig.from_mapping(raw)
        config.check()
    except ValueError as error:
        raise ModelError(
            f"This encoder cannot be run here: {error}",
            "Only what the published checkpoints use is implemented.",
            code="model.config",
        ) from error
    return config


def _built(
    config: BrainLMConfig | BrainLMVitConfig, tensors: dict[str, Tensor], *, with_decoder: bool
) -> BrainLM | BrainLMVit:
    """The module around the tensors; each is copied once, so that nothing lies in the file.

    On "meta" first: initialising 650 million random numbers takes longer than reading them.
    """
    with torch.device("meta"):
        module: BrainLM | BrainLMVit = (
            BrainLM(config, with_decoder=with_decoder)
            if isinstance(config, BrainLMConfig)
            else BrainLMVit(config, with_decoder=with_decoder)
        )
    keys = list(module.state_dict())
    try:
        # Popped one by one; a copy is aligned as torch's own tensors are, a view of the file is
        # not, and kernels may round differently on it.
        own = {key: tensors.pop(key).to(torch.float32, copy=True) for key in keys}
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelError(
            "There is not enough memory for this encoder.",
            "Close other programs, or use a smaller encoder.",
            code="model.memory",
        ) from error
    module.load_state_dict(own, strict=True, assign=True)
    module.eval().requires_grad_(False)
    return module


def check_trial(module: BrainLM | BrainLMVit) -> None:
    """One pass over a fixed made-up window must be finite, and the same to the bit a second time.

    Every layer works, on `TRIAL_TOKENS` tokens spread over the window.

    Raises
    ------
    ModelError
        ``model.trial``.
    """
    with fixed_threads(), torch.no_grad():
        first, second = _trial(module), _trial(module)
    if not bool(torch.isfinite(first).all()) or not torch.equal(first, second):
        raise ModelError(
            "The encoder does not compute: a trial pass is not finite or not repeatable.",
            "The weights are unusable, or the numerical libraries of this machine are.",
            code="model.trial",
        )


def _trial(module: BrainLM | BrainLMVit) -> Tensor:
    config = module.config
    parcels, frames = config.num_brain_voxels, config.num_timepoints_per_voxel
    parcel = torch.arange(parcels, dtype=torch.float64)[:, None]
    frame = torch.arange(frames, dtype=torch.float64)[None]
    series = torch.sin(0.05 * frame * (1 + parcel % 7) + 0.7 * parcel).float()[None]
    xyz = 60.0 * torch.sin(torch.tensor([1.0, 2.0, 3.0]) * (parcel.float() + 1))
    total = config.token_count
    kept = torch.linspace(0, total - 1, min(total, TRIAL_TOKENS)).long()[None]
    if isinstance(module, BrainLM):
        return module.vit.last(series, xyz[None], kept)
    found: Tensor = module.vit(module.image(module.ordered(series, xyz)), kept)
    return found
