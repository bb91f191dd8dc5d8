"""FMM_TC as one linear head on features of its own: what a refit is, in few numbers.

Where the encoder is frozen, connectivity is read as its upper triangle and branches are summed,
``log-odds = bias + w_s . (mean vector over windows) + w_c . (upper triangle)``: members, their
scales and the fusion fold into one row of weights without loss. Refits on other people keep the
frozen encoder and the label-free statistics (what fills gaps, shrinkage, tangent reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.models.connectivity_encoder import LinearConnectivity, Standardised
from app.models.device import fixed_threads
from app.models.fmm_tc_inputs import check_series
from app.models.fmm_tc_members import train_members
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_people import with_gaps
from app.models.fmm_tc_people_ready import TrainingPeople
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fusion import Concat, Late

if TYPE_CHECKING:
    from app.models.fmm_tc_parts import NetworkParts


@dataclass(frozen=True, slots=True)
class LinearHead:
    """``log-odds = bias + weights . features``, features minus the delivered training mean."""

    weights: Floats  # (feature,), float64
    bias: float


def has_linear_head(settings: FmmTcSettings) -> bool:
    """Whether a variant's log-odds are linear in features that no training changes."""
    return (
        settings.mode == "corrected"
        and settings.foundation != "scratch"
        and settings.fusion in ("concat", "late")
        and "structural" not in settings.branches
        and ("connectivity" not in settings.branches or settings.connectivity_encoder == "linear")
    )


def head_features(model: NetworkParts, series: Floats, connectivity: Floats) -> Floats:
    """(feature,) of one scan: mean vector over windows, upper triangle; float64.

    Raises
    ------
    ModelError
        As `FmmTcNetwork.detail`.
    """
    vectors, triangle = _inputs_of(model, series, connectivity)
    parts = [] if vectors is None else [vectors.double().mean(dim=0)]
    parts += [] if triangle is None else [triangle.double()]
    return np.asarray(torch.cat(parts).cpu().numpy())


def head_of(members: Sequence[FmmTcModule], centre: Floats) -> LinearHead:
    """The members' mean as one head on features minus `centre` (feature,)."""
    weights, biases = [], []
    for member in members:
        own, constant = _pieces(member)
        row = np.concatenate([weight * scale for weight, scale, _ in own])
        means = np.concatenate([mean for _, _, mean in own])
        weights.append(row)
        biases.append(constant + float(row @ (centre - means)))
    return LinearHead(np.mean(weights, axis=0), float(np.mean(biases)))


def _pieces(member: FmmTcModule) -> tuple[list[tuple[Floats, float, Floats]], float]:
    """Weight, scale and mean of each branch's features in their order, and the constant."""
    fusion, found = member.fusion, []
    for name in member.widths:
        if isinstance(fusion, Concat):
            pieces = torch.split(fusion.linear.weight[0], list(fusion.widths.values()))
            weight = dict(zip(fusion.widths, pieces, strict=True))[name]
        else:
            assert isinstance(fusion, Late)
            head = fusion.heads[name]
            assert isinstance(head, torch.nn.Linear)
            weight = head.weight[0] / len(fusion.heads)
        scaled = _scaling(member, name)
        found.append((_exact(weight), float(scaled.multiplier), _exact(scaled.mean)))
    if isinstance(fusion, Concat):
        return found, float(fusion.linear.bias)
    assert isinstance(fusion, Late)
    heads = [head for head in fusion.heads.values() if isinstance(head, torch.nn.Linear)]
    return found, float(np.mean([float(head.bias) for head in heads]))


def _scaling(member: FmmTcModule, branch: str) -> Standardised:
    if branch == "series":
        assert isinstance(member.series, Standardised)
        return member.series
    assert isinstance(member.connectivity, LinearConnectivity)
    return member.connectivity.standardised


def centre_of(model: NetworkParts) -> Floats:
    """(feature,) training mean of the features, as the delivered model keeps it."""
    first = model._ready().members[0]
    return np.concatenate([_exact(_scaling(first, name).mean) for name in first.widths])


@dataclass(frozen=True, slots=True)
class HeadPeople:
    """Training people as a fitted model sees them; what all refits draw from."""

    model: NetworkParts
    windows: tuple[Tensor, ...] | None  # a person: (window, width)
    triangles: Tensor | None  # (person, pair)
    centre: Floats  # (feature,)

    @classmethod
    def of(
        cls, model: NetworkParts, series: Sequence[Floats], connectivity: Floats, progress: Progress
    ) -> HeadPeople:
        """Encode everybody once; vectors come from the cache where they are known."""
        windows, triangles = [], []
        for number, (one, matrix) in enumerate(zip(series, connectivity, strict=True), start=1):
            vectors, triangle = _inputs_of(model, one, matrix)
            windows += [] if vectors is None else [vectors]
            triangles += [] if triangle is None else [triangle]
            progress.step(0.1 * number / len(series), f"features of participant {number}")
        return cls(
            model,
            tuple(windows) or None,
            torch.stack(triangles) if triangles else None,
            centre_of(model),
        )

    def features(self) -> Floats:
        """(person, feature) minus the delivered training mean, float64."""
        parts = []
        if self.windows is not None:
            parts.append(torch.stack([one.double().mean(dim=0) for one in self.windows]))
        if self.triangles is not None:
            parts.append(self.triangles.double())
        return np.asarray(torch.cat(parts, dim=1).cpu().numpy()) - self.centre

    def refit(self, rows: Ints, labels: Bools, inner_fold: Ints, seed: int) -> LinearHead:
        """Scales, members and fusion fitted anew.

        Parameters
        ----------
        rows
            (drawn,) people, with repeats.
        labels, inner_fold
            (drawn,) of each; copies of one person lie in one inner fold.
        seed
            Of batches and windows.
        """
        index = torch.from_numpy(np.asarray(rows, np.int64))
        target = torch.from_numpy(np.asarray(labels, np.float32))
        people = TrainingPeople(
            None if self.windows is None else [self.windows[int(i)] for i in rows],
            None if self.triangles is None else self.triangles[index],
            None,
            target.to(self.model.device),
            None,
            None,
        )
        fitted = self.model._ready()
        with fixed_threads():
            members, _ = train_members(
                self.model.settings, fitted.encoder, fitted.parcels, people, inner_fold, None,
                seed=seed, progress=Progress(),
            )  # fmt: skip
        return head_of(members, self.centre)


def _inputs_of(
    model: NetworkParts, series: Floats, connectivity: Floats
) -> tuple[Tensor | None, Tensor | None]:
    """(window, width) vectors and (pair,) upper triangle of one scan, without gradients."""
    fitted = model._ready()
    check_series(series, fitted.parcels, model.settings)
    values = torch.from_numpy(with_gaps(series).astype(np.float32)).to(model.device)
    matrix, _ = model._matrix(values, connectivity)
    with fixed_threads(), torch.no_grad():
        inputs, _ = model._inputs(values, matrix, None)
        triangle = inputs.get("connectivity")
        if triangle is not None:
            reader = fitted.members[0].connectivity
            assert isinstance(reader, LinearConnectivity)
            triangle = reader.upper(triangle[:1])[0]
    return inputs.get("series"), triangle


def _exact(values: Tensor) -> Floats:
    return np.asarray(values.detach().double().cpu().numpy())
