"""Takes a published checkpoint in: checks it from end to end and writes it once as safetensors.

The order matters: configuration, container, list of tensors, and only then the restricted reader
of torch; after it every tensor's name, shape, type and values. Belongs into the worker process.
The folder that is given must be private to this program, so that nothing changes between check
and use.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.models.catalogue import CONFIG_NAME, MAX_CHECKPOINT_BYTES, WEIGHTS_NAME
from app.models.checkpoint_archive import check_archive
from app.models.checkpoint_outline import TensorOutline, read_outline
from app.models.checkpoint_shapes import (
    UNUSED,
    Shapes,
    expected_shapes,
    family_of,
    family_of_names,
    read_config,
)
from app.models.safetensors_header import FLOATING, damage, read_header, unusable_type

OLDEST_TORCH = (2, 10)  # older restricted readers have known bypasses
_DTYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
}
_OPEN_HINT = "Get the file again from its source; nothing in it was run."


@dataclass(frozen=True, slots=True)
class Converted:
    """Weights as installed, and what they were made from."""

    path: Path
    sha256: str
    source_sha256: str
    family: str
    tensor_count: int
    parameter_count: int
    torch_version: str


def convert_checkpoint(source: Path, folder: Path, progress: Progress) -> Converted:
    """Check the weights `source` by ``folder/config.json`` and write ``folder/model.safetensors``.

    Parameters
    ----------
    source
        A `.bin` of torch or a `.safetensors`, already in a place that only this program writes.
    folder
        Holds `config.json`; receives the weights.
    progress
        Told in one stage; may cancel.

    Raises
    ------
    ModelError
        ``model.config``, ``.family``, ``.too_large``, ``.archive``, ``.pickle``, ``.damaged``,
        ``.keys``, ``.shape``, ``.dtype``, ``.not_finite`` or ``.torch``: nothing was written.
    """
    import torch

    config = read_config(folder / CONFIG_NAME)
    shapes = expected_shapes(config)
    size = source.stat().st_size
    if size > MAX_CHECKPOINT_BYTES or 2 * _count(shapes) > MAX_CHECKPOINT_BYTES:
        raise ModelError(
            f"The checkpoint is larger than {MAX_CHECKPOINT_BYTES} bytes.",
            "No published encoder is: check that this is the right file.",
            code="model.too_large",
        )
    source_sha256 = file_sha256(source)
    progress.step(0.1, "checking the container")
    # By name too: the reader of torch would go by it, and by nothing else.
    if source.suffix.lower() == ".safetensors" or _looks_like_safetensors(source):
        tensors = _open_safetensors(source, shapes, config)
    else:
        tensors = _open_bin(source, shapes, config, progress)
    progress.step(0.5, "checking the numbers")
    _check_tensors(tensors, shapes, progress)
    target = folder / WEIGHTS_NAME
    _write(tensors, target, source_sha256)
    progress.step(0.95, "checking what was written")
    read_header(target)
    return Converted(
        target,
        file_sha256(target),
        source_sha256,
        family_of(config),
        len(tensors),
        sum(tensor.numel() for name, tensor in tensors.items() if name in shapes),
        str(torch.__version__),
    )


def _looks_like_safetensors(path: Path) -> bool:
    with path.open("rb") as handle:
        start = handle.read(9)
    return len(start) == 9 and start[8:] == b"{"


def _open_safetensors(path: Path, shapes: Shapes, config: Mapping[str, Any]) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    entries = {entry.name: entry for entry in read_header(path)}
    _check_outline({name: entry.shape for name, entry in entries.items()}, shapes, config)
    for name, entry in entries.items():
        if entry.dtype not in FLOATING:
            raise unusable_type(name, entry.dtype)
    try:
        with safe_open(str(path), framework="pt", device="cpu") as opened:
            return {name: opened.get_tensor(name) for name in entries}
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise damage("its contents do not parse") from error


def _open_bin(
    path: Path, shapes: Shapes, config: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    import torch

    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if release < OLDEST_TORCH:
        raise ModelError(
            f"The installed torch ({torch.__version__}) is too old to open checkpoints safely.",
            "Install the program again: it needs torch 2.10 or newer.",
            code="model.torch",
        )
    archive = check_archive(path, lambda share: progress.step(0.1 + 0.3 * share, "checking"))
    outline = read_outline(archive.pickle, archive.storage_bytes)
    _check_outline({name: tensor.shape for name, tensor in outline.items()}, shapes, config)
    progress.step(0.4, "opening")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, EOFError) as error:
        raise _not_opened() from error
    except Exception as error:
        # torch raises pickle's own error here; the module itself is never imported.
        if type(error).__name__ != "UnpicklingError":
            raise
        raise _not_opened() from error
    if not _same(tensors, outline):
        raise _not_opened()
    return dict(tensors)


def _same(tensors: Any, outline: Mapping[str, TensorOutline]) -> bool:
    """Whether the reader built just what the outline said."""
    import torch

    return (
        isinstance(tensors, dict)
        and set(tensors) == set(outline)
        and all(
            type(tensor) in (torch.Tensor, torch.nn.Parameter)
            and tuple(tensor.shape) == outline[name].shape
            and str(tensor.dtype) == f"torch.{outline[name].storage.dtype}"
            for name, tensor in tensors.items()
        )
    )


def _not_opened() -> ModelError:
    return ModelError(
        "The checkpoint file is not accepted: its list of tensors cannot be opened.",
        _OPEN_HINT,
        code="model.pickle",
    )


def _check_outline(
    found: Mapping[str, tuple[int, ...]], shapes: Shapes, config: Mapping[str, Any]
) -> None:
    """Family, names and shapes, before any number is read."""
    family, seen = family_of(config), family_of_names(found)
    if seen is not None and seen != family:
        raise ModelError(
            f"The configuration is of the family {family}, the weights are of {seen}.",
            "Take config.json and weights from the same folder of the source.",
            code="model.family",
        )
    from app.models.strict_loading import check_names_and_shapes

    ignorable = UNUSED if family == "13m" else ()
    check_names_and_shapes(found, shapes, ignorable=ignorable)


def _check_tensors(tensors: Mapping[str, Any], shapes: Shapes, progress: Progress) -> None:
    """Type and values of every tensor, the unused ones too."""
    from app.models.strict_loading import check_tensors

    for number, (name, tensor) in enumerate(tensors.items()):
        progress.step(0.5 + 0.3 * number / len(tensors), "checking the numbers")
        if str(tensor.dtype) not in _DTYPES:
            raise unusable_type(name, str(tensor.dtype))
        check_tensors({name: tensor}, {name: shapes.get(name, tuple(tensor.shape))})


def _write(tensors: Mapping[str, Any], target: Path, source_sha256: str) -> None:
    """Write the file tensor by tensor and sync it, so that no second copy stands in memory.

    The same source gives the same bytes. `target` lies in a folder that nobody looks at yet.
    """
    import torch

    # Wide numbers first, so that all lie at multiples of their own width.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "source_sha256": source_sha256}}
    place = 0
    for name in names:
        tensor = tensors[name]
        end = place + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _DTYPES[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [place, end],
        }
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with target.open("xb") as handle:
        handle.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            flat = tensors[name].detach().contiguous().reshape(-1).view(torch.uint8)
            handle.write(flat.numpy())
        handle.flush()
        os.fsync(handle.fileno())


def _count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())
