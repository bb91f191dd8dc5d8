"""Half precision as an option, and how far it is from float32.

Matrix products run in the short type; the residual stream, LayerNorm and softmax statistics stay
in float32 (the published epsilon of 1e-12 would vanish in a short type), and so do weights and
results. The deviation is measured on the data at hand, never assumed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from app.core.errors import ModelError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far one result lies from another."""

    largest: float  # largest absolute difference
    relative: float  # length of the difference over the length of the reference

    @classmethod
    def between(cls, found: Tensor, reference: Tensor) -> Deviation:
        """Compare two tensors of one shape, in float64."""
        exact = reference.detach().cpu().double()  # on the CPU first: MPS has no float64
        step = found.detach().cpu().double() - exact
        return cls(float(step.abs().max()), float(step.norm() / exact.norm().clamp_min(1e-300)))


def in_precision(name: str, device: str) -> AbstractContextManager[object]:
    """A block in which matrix products use the precision `name`.

    Raises
    ------
    ModelError
        ``model.precision`` for an unknown name.
    """
    if name not in PRECISIONS:
        raise ModelError(
            f"Unknown precision '{name}'.",
            f"Choose one of: {', '.join(PRECISIONS)}.",
            code="model.precision",
        )
    if name == "float32":
        return nullcontext()
    return torch.autocast(device, dtype=PRECISIONS[name])
