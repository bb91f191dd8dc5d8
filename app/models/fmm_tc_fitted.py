"""What FMM_TC learnt: statistics of training people, members, and the record of training."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from app.core.arrays import Floats
from app.models.fmm_tc_inputs import SeriesStatistics
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_training import MemberRecord
from app.models.fusion import Features
from app.models.reference_series import SeriesSummary
from app.models.series_encoder import EncoderSource


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """How a model was trained; goes into its file and its card."""

    seed: int
    people: int
    responders: int
    members: tuple[MemberRecord, ...]
    missing_parcels: int  # over all people, filled with the training centre
    missing_connectivity: int  # parcels over all people, filled with the training mean
    missing_volumes: int
    short_scans: int  # lengthened or padded, as the settings say
    global_structural_statistics: bool  # scaled with people outside the training set: leaky
    training_orders: int  # token orders drawn while training as released
    training_orders_sha256: str  # over those, in order


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that `fit` learnt."""

    parcels: int
    encoder: EncoderSource | None  # as used: restarted for `random` and `scratch`
    members: tuple[FmmTcModule, ...]
    mean_correlation: Floats  # (parcel, parcel), float64, diagonal 0
    shrinkage: float
    whitening: Floats | None  # (parcel, parcel), of tangent connectivity
    series_statistics: SeriesStatistics | None
    summary: SeriesSummary | None  # of training series, for reference series
    reference_features: tuple[Features, ...]  # a member: branch -> (1, width) training mean
    record: TrainingRecord
    _on_device: dict[str, Tensor] = field(default_factory=dict)

    def whitening_on(self, like: Tensor) -> Tensor | None:
        """The tangent reference's inverse root on the device of `like`, float64 off MPS."""
        if self.whitening is None:
            return None
        key = str(like.device)
        if key not in self._on_device:
            kind = torch.float32 if like.device.type == "mps" else torch.float64
            self._on_device[key] = torch.from_numpy(self.whitening).to(like.device, kind)
        return self._on_device[key]
