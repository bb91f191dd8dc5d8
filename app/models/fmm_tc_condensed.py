"""The same training in far fewer numbers, where nothing but the fusion layer is trained.

Features of frozen branches are computed once. Where the fusion is a linear sum that starts at
zero and is trained by gradient descent without weight decay, every step adds a multiple of a
training person's features, so the weights never leave the span of those features: in an
orthonormal basis Q of it (features x = Q z, weights w = Q v) the steps are the same and
``w . x = v . z`` for everybody (for people outside, the part of x across the span meets no
weight). 90,000 connections of 80 people become 80 numbers; only rounding differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from app.core.arrays import Ints
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_people_ready import TrainingPeople
from app.models.fusion import Concat, Features, Fusion, Gated, Late, make_fusion


class FixedFeatures(nn.Module):
    """A fusion layer alone; its inputs are features already."""

    trains_encoder = False

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def features(
        self,
        inputs: Mapping[str, Tensor],
        places: Tensor | None = None,
        orders: Tensor | None = None,
    ) -> Features:
        """The inputs."""
        del places, orders
        return dict(inputs)


@dataclass(frozen=True, slots=True)
class Condensed:
    """What is trained instead of the whole module."""

    module: FixedFeatures
    people: TrainingPeople
    bases: dict[str, Tensor]  # branch -> (width, rank); empty = the fusion layer itself

    def restore(self, whole: FmmTcModule) -> None:
        """Put the trained weights back where they belong."""
        if not self.bases:
            return  # the module's own fusion layer was trained
        small = self.module.fusion
        with torch.no_grad():
            if isinstance(small, Concat) and isinstance(whole.fusion, Concat):
                pieces = torch.split(small.linear.weight[0], list(small.widths.values()))
                found = [
                    self.bases[name] @ piece.to(self.bases[name])
                    for name, piece in zip(small.widths, pieces, strict=True)
                ]
                whole.fusion.linear.weight[0] = torch.cat(found).float()
                whole.fusion.linear.bias.copy_(small.linear.bias)
            elif isinstance(small, Late) and isinstance(whole.fusion, Late):
                for name, head in small.heads.items():
                    target = whole.fusion.heads[name]
                    assert isinstance(head, nn.Linear)
                    assert isinstance(target, nn.Linear)
                    basis = self.bases[name]
                    target.weight[0] = (basis @ head.weight[0].to(basis)).float()
                    target.bias.copy_(head.bias)


def condensed(
    module: FmmTcModule, people: TrainingPeople, inside: Ints, momentum: float
) -> Condensed | None:
    """The condensed problem, or None where more than the fusion layer is trained."""
    if any(p.requires_grad for n, p in module.named_parameters() if not n.startswith("fusion.")):
        return None
    module.eval()
    windows: list[Tensor] | None = None
    rest: Features = {}
    with torch.no_grad():
        if people.windows is not None:
            windows = [module.features({"series": rows})["series"] for rows in people.windows]
        if people.connectivity is not None:
            rest = module.features({"connectivity": people.connectivity})
    bases: dict[str, Tensor] = {}
    fusion = module.fusion
    if not isinstance(fusion, Gated) and momentum > 0:
        if windows is not None:
            bases["series"] = _basis(torch.cat([windows[i] for i in inside]))
            windows = [(rows.double() @ bases["series"]).float() for rows in windows]
        if rest:
            chosen = torch.from_numpy(np.asarray(inside, np.int64))
            bases["connectivity"] = _basis(rest["connectivity"][chosen])
            rest = {"connectivity": (rest["connectivity"].double() @ bases["connectivity"]).float()}
        kind = "late" if isinstance(fusion, Late) else "concat"
        widths = {name: basis.shape[1] for name, basis in bases.items()}
        fusion = make_fusion(kind, widths).to(people.labels.device)
    ready = TrainingPeople(windows, rest.get("connectivity"), None, people.labels, None, None)
    return Condensed(FixedFeatures(fusion), ready, bases)


def _basis(rows: Tensor) -> Tensor:
    """Orthonormal basis of the rows' span, (width, rank), float64."""
    count, width = rows.shape
    if count >= width:
        return torch.eye(width, dtype=torch.float64, device=rows.device)
    basis: Tensor = torch.linalg.qr(rows.double().T)[0]
    return basis
