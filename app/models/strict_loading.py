"""Strict reading of safetensors: exact keys, shapes, dtypes, finite values, known hash.

And writing: a whole file or none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from app.core.errors import ModelError
from app.core.provenance import file_sha256
from app.models.limits import MAX_FILE_BYTES
from app.models.safetensors_header import damage, read_header


def read_tensors(
    path: Path, expected_sha256: str | None = None, *, max_bytes: int = MAX_FILE_BYTES
) -> dict[str, Tensor]:
    """Read a safetensors file after checking its size, header and hash.

    Parameters
    ----------
    path
        The file.
    expected_sha256
        Refuse anything else; None where no value is pinned.
    max_bytes
        Refuse a larger file; a bundle's own limit unless a published encoder is read.

    Raises
    ------
    ModelError
        ``model.missing``, ``model.too_large``, ``model.hash`` or ``model.damaged``.
    """
    if not path.is_file():
        raise ModelError(
            "The model's weights file is missing.",
            "Reinstall the model.",
            code="model.missing",
        )
    size = path.stat().st_size
    if size > max_bytes:
        raise ModelError(
            f"The weights file has {size} bytes; at most {max_bytes} are read.",
            "Check that this is the right file.",
            code="model.too_large",
        )
    if expected_sha256 is not None and file_sha256(path) != expected_sha256:
        raise ModelError(
            "The weights file is not the one that the model card names (SHA-256 differs).",
            "Reinstall the model; a changed model is never loaded.",
            code="model.hash",
        )
    read_header(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path), device="cpu")
    except (SafetensorError, ValueError) as error:
        raise damage("its contents do not parse") from error


def metadata_of(path: Path) -> dict[str, str]:
    """The remarks in the header of a file that `read_header` has judged."""
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as handle:
        return handle.metadata() or {}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file beside its place and rename it: nobody ever sees half a file."""
    from safetensors.torch import save_file

    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    try:
        save_file(whole, str(partial), dict(metadata))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_names_and_shapes(
    found: Mapping[str, tuple[int, ...]],
    expected_shapes: Mapping[str, tuple[int, ...]],
    *,
    ignorable: tuple[str, ...] = (),
) -> None:
    """The part of `check_tensors` that needs no numbers: names and shapes.

    Raises
    ------
    ModelError
        ``model.keys`` or ``model.shape``, naming at most three offenders.
    """
    missing = sorted(set(expected_shapes) - set(found))
    extra = sorted(set(found) - set(expected_shapes) - set(ignorable))
    if missing or extra:
        raise ModelError(
            f"The weights do not fit the model: missing {_some(missing)}, "
            f"unexpected {_some(extra)}.",
            "This file belongs to another model or version.",
            code="model.keys",
        )
    wrong = [
        f"{key}: {tuple(found[key])} instead of {tuple(shape)}"
        for key, shape in expected_shapes.items()
        if tuple(found[key]) != tuple(shape)
    ]
    if wrong:
        raise ModelError(
            f"The weights have the wrong shape: {wrong[:3]}.",
            "This file belongs to another model or version.",
            code="model.shape",
        )


def _some(names: list[str]) -> str:
    """The first three names, short and printable: they may come from a foreign file."""
    return ascii([name[:80] for name in names[:3]])


def check_tensors(
    tensors: Mapping[str, Tensor],
    expected_shapes: Mapping[str, tuple[int, ...]],
    *,
    ignorable: tuple[str, ...] = (),
) -> None:
    """Compare keys, shapes, dtypes and finiteness with what the card's sizes demand.

    Parameters
    ----------
    tensors
        What the file holds.
    expected_shapes
        What it must hold, by key.
    ignorable
        Keys that may be present and are not used.

    Raises
    ------
    ModelError
        ``model.keys``, ``model.shape``, ``model.dtype`` or ``model.not_finite``, naming at most
        three offenders.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    check_names_and_shapes(shapes, expected_shapes, ignorable=ignorable)
    for key in expected_shapes:
        tensor = tensors[key]
        if tensor.is_complex() or tensor.dtype == torch.bool:
            raise ModelError(
                f"The weights hold an unusable type: {key} is {tensor.dtype}.",
                "Get the file again from its source.",
                code="model.dtype",
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"The weights hold values that are not finite: {key}.",
                "Get the file again from its source.",
                code="model.not_finite",
            )


def load_module(
    module: nn.Module, tensors: Mapping[str, Tensor], *, ignorable: tuple[str, ...] = ()
) -> None:
    """Put checked tensors into a module and freeze it (eval mode, float32, no weight gradients).

    Raises
    ------
    ModelError
        As `check_tensors`.
    """
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    check_tensors(tensors, shapes, ignorable=ignorable)
    module.load_state_dict({key: tensors[key].to(torch.float32) for key in shapes}, strict=True)
    module.eval().requires_grad_(False)
