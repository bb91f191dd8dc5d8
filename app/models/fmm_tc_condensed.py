"""The same training in far fewer numbers, where nothing but the fusion layer is trained.

Features of frozen branches are computed once. Where the fusion is a linear sum that starts at
zero and is trained by gradient descent without weight decay, every step adds a multiple of a
training person's features, so the weights never leave the span of those features. With the
rows X of all training people and ``X X^T = V L V^T``, their coordinates in an orthonormal basis of
the span are ``Z = V L^1/2``; gradient descent on Z takes the same steps, and its weights v come
back as ``w = X^T V L^-1/2 v``. 90,000 connections of 80 people become 80 numbers; only rounding
differs. The projections of a gated fusion start at random inside the span (a start across it
would stay there for ever and only add noise to people outside).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_people_ready import TrainingPeople
from app.models.fusion import Concat, Features, Fusion, Gated, Late, make_fusion

SMALLEST_SHARE = 1e-9  # of the largest eigenvalue


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
class Basis:
    """Coordinates of people in the span of their own features."""

    rows: Tensor  # (row, width)
    coordinates: Tensor  # (row, rank)
    back: Tensor  # (row, rank), V L^-1/2, float64

    @classmethod
    def of(cls, rows: Tensor) -> Basis:
        """Of the rows' span; directions that hold nothing but rounding are left out."""
        exact = rows.double()
        values, vectors = torch.linalg.eigh(exact @ exact.T)
        kept = values > SMALLEST_SHARE * values[-1]
        root = values[kept].sqrt()
        return cls(rows, (vectors[:, kept] * root).float(), vectors[:, kept] / root)

    def weights(self, small: Tensor) -> Tensor:
        """Weights of the features, (width,), from weights of the coordinates, (rank,)."""
        return self.rows.T @ (self.back @ small.double()).to(self.rows)


@dataclass(frozen=True, slots=True)
class Condensed:
    """What is trained instead of the whole module."""

    module: FixedFeatures
    people: TrainingPeople
    bases: dict[str, Basis]  # a branch; empty = the module's own fusion layer is trained

    def restore(self, whole: FmmTcModule) -> None:
        """Put the trained weights back where they belong."""
        if not self.bases:
            return  # the module's own fusion layer was trained
        small = self.module.fusion
        with torch.no_grad():
            if isinstance(small, Concat) and isinstance(whole.fusion, Concat):
                pieces = torch.split(small.linear.weight[0], list(small.widths.values()))
                found = [
                    self.bases[name].weights(piece)
                    for name, piece in zip(small.widths, pieces, strict=True)
                ]
                whole.fusion.linear.weight[0] = torch.cat(found)
                whole.fusion.linear.bias.copy_(small.linear.bias)
            elif isinstance(small, Late) and isinstance(whole.fusion, Late):
                for name, head in small.heads.items():
                    target = whole.fusion.heads[name]
                    assert isinstance(head, nn.Linear)
                    assert isinstance(target, nn.Linear)
                    target.weight[0] = self.bases[name].weights(head.weight[0])
                    target.bias.copy_(head.bias)
            elif isinstance(small, Gated) and isinstance(whole.fusion, Gated):
                for name, layer in small.project.items():
                    target = whole.fusion.project[name]
                    assert isinstance(layer, nn.Linear)
                    assert isinstance(target, nn.Linear)
                    rows = [self.bases[name].weights(row) for row in layer.weight]
                    target.weight.copy_(torch.stack(rows))
                    target.bias.copy_(layer.bias)
                whole.fusion.gate.load_state_dict(small.gate.state_dict())
                whole.fusion.head.load_state_dict(small.head.state_dict())


def condensed(
    module: FmmTcModule, people: TrainingPeople, momentum: float, seed: int
) -> Condensed | None:
    """The condensed problem, or None where more than the fusion layer is trained.

    `seed` fixes the start of a gated fusion.
    """
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
    bases: dict[str, Basis] = {}
    fusion = module.fusion
    if momentum > 0:
        if windows is not None:
            bases["series"] = Basis.of(torch.cat(windows))
            counts = [len(rows) for rows in windows]
            windows = list(torch.split(bases["series"].coordinates, counts))
        if rest:
            bases["connectivity"] = Basis.of(rest["connectivity"])
            rest = {"connectivity": bases["connectivity"].coordinates}
        kind = {Late: "late", Gated: "gated", Concat: "concat"}[type(fusion)]
        widths = {name: basis.coordinates.shape[1] for name, basis in bases.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fusion = make_fusion(kind, widths).to(people.labels.device)
    ready = TrainingPeople(windows, rest.get("connectivity"), None, people.labels, None, None)
    return Condensed(FixedFeatures(fusion), ready, bases)
