"""The trainable part of FMM_TC: what is between the encoder's vector and the log-odds."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from app.core.arrays import Floats
from app.models.connectivity_encoder import (
    CompactConnectivity,
    LinearConnectivity,
    Standardised,
)
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fusion import Features, make_fusion
from app.models.resnet18 import ResNet18
from app.models.series_encoder import EncoderSource, SeriesEncoder, module_of
from app.models.structural import WIDTH, StructuralBranch

RELEASED_CONNECTIVITY_WIDTH = 256


class FmmTcModule(nn.Module):
    """Branches and fusion of one fitted member.

    Inputs are one tensor a branch: the encoder's vectors (person, width) - or, when the encoder
    is trained too, windows (person, parcel, frame) -, connectivity (person, parcel, parcel) and
    volumes (person, 45).
    """

    def __init__(self, settings: FmmTcSettings, parcels: int, source: EncoderSource | None) -> None:
        super().__init__()
        released = settings.mode == "faithful"
        widths: dict[str, int] = {}
        self.trains_encoder = settings.foundation == "scratch" and "series" in settings.branches
        if "series" in settings.branches:
            assert source is not None
            widths["series"] = source.encoder.width
            self.series: nn.Module = nn.Identity() if released else Standardised(widths["series"])
            if self.trains_encoder:
                self.encoder = copy.deepcopy(module_of(source.encoder)).requires_grad_(True)
                if isinstance(self.series, Standardised):
                    self.series.level()
        if "connectivity" in settings.branches:
            self.connectivity, widths["connectivity"] = _connectivity_encoder(
                settings.connectivity_encoder, parcels
            )
        if "structural" in settings.branches:
            self.structural = StructuralBranch(1.0 if released else WIDTH**-0.5)
            widths["structural"] = WIDTH
        self.widths = widths
        self.fusion = make_fusion(settings.fusion, widths, outputs=2 if released else 1)

    def features(
        self,
        inputs: Mapping[str, Tensor],
        places: Tensor | None = None,
        orders: Tensor | None = None,
    ) -> Features:
        """What the fusion layer sees of each branch.

        Parameters
        ----------
        inputs
            One tensor a branch, as the class says.
        places, orders
            (parcel, 3) and (order, token): only when the encoder is trained too.
        """
        found: Features = {}
        if "series" in inputs:
            series = inputs["series"]
            if self.trains_encoder:
                assert places is not None
                assert orders is not None
                series = encoder_of(self).cls(series, places, orders)
            found["series"] = self.series(series)
        if "connectivity" in inputs:
            found["connectivity"] = self.connectivity(inputs["connectivity"])
        if "structural" in inputs:
            found["structural"] = self.structural(inputs["structural"])
        return found

    def fit_statistics(
        self, vectors: Tensor | None, connectivity: Tensor | None, volumes: Floats | None
    ) -> None:
        """Scales of training people: vectors (person, width), connectivity, volumes; or none."""
        if vectors is not None and isinstance(self.series, Standardised):
            self.series.fit(vectors)
        if connectivity is not None and isinstance(
            self.connectivity, LinearConnectivity | CompactConnectivity
        ):
            self.connectivity.fit(connectivity)
        if volumes is not None:
            self.structural.fit(volumes)

    def trainable_count(self) -> int:
        """Number of trainable values."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def _connectivity_encoder(kind: str, parcels: int) -> tuple[nn.Module, int]:
    if kind == "resnet18":
        return ResNet18(RELEASED_CONNECTIVITY_WIDTH), RELEASED_CONNECTIVITY_WIDTH
    small = LinearConnectivity(parcels) if kind == "linear" else CompactConnectivity(parcels)
    return small, small.width


def encoder_of(module: FmmTcModule) -> SeriesEncoder:
    """The encoder that is trained with the module."""
    if not isinstance(module.encoder, SeriesEncoder):
        raise TypeError("the module trains no encoder")
    return module.encoder


def made(
    settings: FmmTcSettings, parcels: int, source: EncoderSource | None, seed: int
) -> FmmTcModule:
    """A module with seeded start values; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FmmTcModule(settings, parcels, source)
