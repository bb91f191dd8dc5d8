"""One scan and one fitted FMM_TC variant as plain functions, for the attribution room.

Variants whose fusion is a sum come as an additive model (a function of the series and one of
the matrix), gated ones as a joint model. In faithful mode there is one reference, the zero
series, whose Gram matrix is zero: one path from nothing to the scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.models.connectivity_kinds import filled
from app.models.features import present_parcels
from app.models.fmm_tc_inputs import check_series
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.reference_series import reference_series

REFERENCES = 4


@dataclass(frozen=True, slots=True)
class DifferentiableNetwork:
    """One scan's inputs, baselines and the two parts of the log-odds; one device."""

    network: FmmTcNetwork
    series: Tensor  # (frame, parcel), percent (raw in faithful mode), zeros where missing
    correlation: Tensor  # (parcel, parcel), diagonal 0; the Gram matrix in faithful mode
    present: Tensor  # (parcel,) bool
    good_frames: Tensor  # (frame,) bool
    baseline_series: Tensor  # zeros
    baseline_correlation: Tensor  # training mean; zeros in faithful mode
    references: Tensor  # (reference, frame, parcel)
    reference_text: str
    structural: Tensor | None  # (45,)

    def series_log_odds(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> what the series adds, mean over windows, scalar."""
        return self.network.part_log_odds_of("series", self._with_gaps(series))

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        """(parcel, parcel) -> what the matrix adds, scalar."""
        return self.network.part_log_odds_of("connectivity", correlation)

    def correlation_of(self, series: Tensor) -> Tensor:
        """The matrix that belongs to a series, over the scan's good frames."""
        return self.network.connectivity_of(self._with_gaps(series), self.good_frames)

    def _with_gaps(self, series: Tensor) -> Tensor:
        return torch.where(self.present, series, torch.full_like(series, float("nan")))


@dataclass(frozen=True, slots=True)
class JointNetwork(DifferentiableNetwork):
    """A variant whose branches interact."""

    def joint_log_odds(self, series: Tensor, correlation: Tensor) -> Tensor:
        """Log-odds of a pair of inputs, scalar."""
        return self.network.log_odds_of(self._with_gaps(series), correlation, self.structural)


def explainable(
    network: FmmTcNetwork,
    series: Floats,
    connectivity: Floats,
    good_frames: Bools,
    *,
    structural: Floats | None = None,
    references: Floats | None = None,
    seed: int = 0,
) -> DifferentiableNetwork:
    """Prepare one scan for attribution.

    Parameters
    ----------
    network
        Fitted.
    series, connectivity, structural
        One person's, as `FmmTcNetwork.detail` takes them.
    good_frames
        (frame,) frames that the connectivity was computed from.
    references
        (reference, frame, parcel); None = typical series drawn from the training summaries
        (they show nobody). Not used in faithful mode.
    seed
        Of those draws.

    Raises
    ------
    ModelError
        ``model.not_fitted``, or as `check_series`.
    """
    fitted = network._ready()
    check_series(series, fitted.parcels, network.settings)
    device = network.device
    present = torch.from_numpy(present_parcels(series)).to(device)
    values = torch.from_numpy(np.asarray(series, np.float32)).to(device)
    values = torch.where(present, values, torch.zeros_like(values))
    good = torch.from_numpy(np.asarray(good_frames, np.bool_).copy()).to(device)
    volumes = None
    if "structural" in network.settings.branches and structural is not None:
        volumes = torch.from_numpy(np.asarray(structural, np.float64)).to(device)
    zero = torch.zeros_like(values)
    if network.settings.mode == "faithful":
        gram = network.connectivity_of(values)
        parts = (gram, torch.zeros_like(gram), zero[None], "zero series, zero Gram matrix")
    else:
        mean = fitted.mean_correlation
        if np.shape(connectivity) == mean.shape and "connectivity" in network.settings.branches:
            whole, _ = filled(np.asarray(connectivity, np.float64), mean)
        else:
            whole = np.zeros_like(mean)
        text = "zero series and mean matrix of the training participants; "
        if references is None:
            assert fitted.summary is not None
            references = reference_series(fitted.summary, REFERENCES, len(series), seed)
            text += f"{REFERENCES} typical series drawn from training summaries"
        else:
            text += f"{len(references)} reference series"
        shown = torch.from_numpy(np.asarray(references, np.float32)).to(device) * present
        parts = (
            torch.from_numpy(whole.astype(np.float32)).to(device),
            torch.from_numpy(mean.astype(np.float32)).to(device),
            shown,
            text,
        )
    kind = DifferentiableNetwork if fitted.members[0].fusion.additive else JointNetwork
    return kind(
        network, values, parts[0], present, good, zero, parts[1], parts[2], parts[3], volumes
    )
