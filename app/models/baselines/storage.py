"""One safetensors file a fitted rival: arrays, and settings as JSON in the header. No pickle.

Reading is strict: the kind, every settings field and its type, every array's name, shape and
type must be as expected, and every number finite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor

from app.core.errors import ModelError
from app.models.strict_loading import check_tensors, metadata_of, read_tensors, write_tensors

FORMAT = 1
HEADER = "rival"  # the one header field: several come in an order that changes from run to run

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class _Record:
    """The header field."""

    format: int
    kind: str
    settings: dict[str, Any]
    told: dict[str, float]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Stored:
    """What one file holds."""

    kind: str
    settings: str  # JSON
    told: dict[str, float]
    tensors: dict[str, Tensor]

    def settings_as(self, wanted: type[Settings]) -> Settings:
        """The settings as their dataclass.

        Raises
        ------
        ModelError
            ``model.settings`` when a field is missing, unknown or of another type.
        """
        try:
            return TypeAdapter(wanted).validate_json(self.settings, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "settings"
            raise _damaged(f"its setting '{place}' is unusable ({first['msg']})") from error

    def arrays(
        self, expected: Mapping[str, tuple[tuple[int, ...], torch.dtype]]
    ) -> dict[str, Tensor]:
        """The arrays after checking names, shapes, types and finiteness.

        Raises
        ------
        ModelError
            As `check_tensors`, and ``model.dtype``.
        """
        check_tensors(self.tensors, {key: shape for key, (shape, _) in expected.items()})
        for key, (_, dtype) in expected.items():
            if self.tensors[key].dtype != dtype:
                raise ModelError(
                    f"The model file holds {key} as {self.tensors[key].dtype}, not {dtype}.",
                    "This file belongs to another model or version.",
                    code="model.dtype",
                )
        return self.tensors


def write_stored(
    path: Path, kind: str, settings: Any, told: Mapping[str, float], tensors: Mapping[str, Tensor]
) -> None:
    """Write one file, whole or not at all."""
    record = {
        "format": FORMAT,
        "kind": kind,
        "settings": TypeAdapter(type(settings)).dump_python(settings, mode="json"),
        "told": dict(told),
    }
    write_tensors(path, tensors, {HEADER: json.dumps(record, sort_keys=True)})


def read_stored(path: Path) -> Stored:
    """Read one file's header and arrays.

    Raises
    ------
    ModelError
        ``model.missing``, ``model.too_large``, ``model.damaged`` or ``model.settings``.
    """
    tensors = read_tensors(path)
    metadata = metadata_of(path)
    if set(metadata) != {HEADER}:
        raise _damaged("it is not a stored rival (its header names other fields)")
    try:
        record = TypeAdapter(_Record).validate_json(metadata[HEADER], strict=True)
    except ValidationError as error:
        raise _damaged("its header is not that of a stored rival") from error
    if record.format != FORMAT:
        raise _damaged(f"its format is {record.format}, not {FORMAT}")
    return Stored(record.kind, json.dumps(record.settings), record.told, tensors)


def to_tensor(array: Any) -> Tensor:
    """Numbers as a float64 tensor of their own memory."""
    return torch.from_numpy(np.array(array, np.float64))


def _damaged(what: str) -> ModelError:
    return ModelError(
        f"The model file cannot be used: {what}.", "Train the model again.", code="model.settings"
    )
