"""What answers of FMM_TC are made of: inputs of every branch, features, shares of branches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats, Ints
from app.core.errors import ModelError
from app.models.connectivity_kinds import connectivity_input, filled
from app.models.feature_cache import FeatureCache, frozen_vectors
from app.models.features import correlation_of
from app.models.fmm_tc_fitted import Fitted
from app.models.fmm_tc_inputs import evaluation_windows, gram, normalised
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fusion import Features, shapley
from app.models.series_encoder import EncoderSource, coordinates, identity_orders
from app.models.structural import check_volumes


@dataclass(frozen=True, slots=True)
class ResponseDetail:
    """One person's answer with what lies behind it."""

    log_odds: float
    window_log_odds: Floats  # (window,), mean over members
    member_log_odds: Floats  # (member,), mean over windows
    contributions: dict[str, float]  # branch -> signed log-odds; with "bias" they sum to log_odds
    exact_contributions: bool  # False: Shapley values against the training mean
    missing_parcels: int  # of the series, filled with the training centre
    missing_connectivity: int  # parcels whose connections were filled with the training mean
    missing_volumes: int  # filled with the training mean
    flags: tuple[str, ...]


class NetworkParts:
    """One variant with its encoder and, once fitted, everything between inputs and log-odds.

    Parameters
    ----------
    settings
        The variant.
    encoder
        Needed by variants with the series branch.
    centroids_mm
        (parcel, 3), template mm, parcel order of the series; with the series branch.
    orders
        (order, token) stored permutations of the tokens; None = parcel order. The vector is the
        mean over them. Faithful mode draws its own, one a call, while it trains.
    cache
        Vectors of frozen encoders; share one between folds.
    device
        Where torch computes.
    """

    def __init__(
        self,
        settings: FmmTcSettings,
        *,
        encoder: EncoderSource | None = None,
        centroids_mm: Floats | None = None,
        orders: Ints | None = None,
        cache: FeatureCache | None = None,
        device: str = "cpu",
    ) -> None:
        if device.startswith("mps"):
            raise ModelError(
                "FMM_TC's statistics need double precision, which this device does not have.",
                "Use the CPU or CUDA.",
                code="model.device",
            )
        self.settings = settings.check()
        self.encoder = encoder
        self.cache = cache if cache is not None else FeatureCache()
        self.device = device
        self.fitted: Fitted | None = None
        self._global_volumes: Floats | None = None
        self.centroids_mm: Floats | None = None
        self.orders: Ints | None = None
        if "series" not in settings.branches:
            self.encoder = None
            return
        if encoder is None or centroids_mm is None:
            raise ModelError(
                "The series branch needs an encoder and the parcels' coordinates.",
                "Install the encoder, or leave the series branch out.",
                code="model.encoder_missing",
            )
        if encoder.encoder.window_frames != settings.window_frames:
            raise ModelError(
                f"The encoder takes windows of {encoder.encoder.window_frames} frames, the "
                f"settings say {settings.window_frames}.",
                "Set window_frames to the encoder's.",
                code="model.window",
            )
        self.centroids_mm = np.asarray(centroids_mm, np.float32)
        tokens = getattr(encoder.encoder, "token_count", 0)
        self.orders = identity_orders(tokens) if orders is None else np.asarray(orders, np.int64)
        parcels = getattr(encoder.encoder, "parcel_count", len(self.centroids_mm))
        if parcels != len(self.centroids_mm):
            raise ModelError(
                f"The encoder takes {parcels} parcels, the coordinates are of "
                f"{len(self.centroids_mm)}.",
                "Use the atlas of the encoder.",
                code="model.series_shape",
            )
        wanted = np.arange(tokens or self.orders.shape[1])
        if not np.array_equal(
            np.sort(self.orders, axis=1), np.broadcast_to(wanted, (len(self.orders), len(wanted)))
        ):
            raise ModelError(
                "A token order is no permutation.", "Install the model again.", code="model.order"
            )

    def connectivity_of(self, series: Tensor, good_frames: Tensor | None = None) -> Tensor:
        """The matrix that belongs to a series: Pearson over good frames, or the window's Gram."""
        if self.settings.mode == "faithful":
            values = normalised(series, self.settings, None)
            return gram(evaluation_windows(values, self.settings)[0][0])
        present = torch.isfinite(series).all(dim=0)
        whole = torch.where(present, series, torch.zeros_like(series))
        frames = (
            torch.ones(len(series), dtype=torch.bool, device=series.device)
            if good_frames is None
            else good_frames
        )
        return correlation_of(whole, frames, present)

    def _ready(self) -> Fitted:
        if self.fitted is None:
            raise ModelError(
                "The model has not been trained.",
                "Train or load it first.",
                code="model.not_fitted",
            )
        return self.fitted

    def _volumes(self, structural: Floats | None) -> Tensor | None:
        if "structural" not in self.settings.branches:
            return None
        rows = None if structural is None else np.asarray(structural)[None]
        checked = check_volumes(rows, 1, self.settings.structural_unit)
        return torch.from_numpy(checked[0]).to(self.device)

    def _matrix(self, series: Tensor, connectivity: Floats) -> tuple[Tensor, int]:
        fitted = self._ready()
        if "connectivity" not in self.settings.branches:
            return series.new_zeros(fitted.parcels, fitted.parcels), 0
        if self.settings.mode == "faithful":
            return self.connectivity_of(series), 0
        if np.shape(connectivity) != fitted.mean_correlation.shape:
            raise ModelError(
                f"The connectivity has the shape {np.shape(connectivity)}; the model needs "
                f"{fitted.mean_correlation.shape}.",
                "Use the atlas that the model was made with.",
                code="model.connectivity",
            )
        whole, missing = filled(np.asarray(connectivity, np.float64), fitted.mean_correlation)
        return torch.from_numpy(whole).to(self.device), missing

    def _inputs(
        self, series: Tensor, matrix: Tensor | None, volumes: Tensor | None
    ) -> tuple[dict[str, Tensor], str]:
        """One row a window of every branch's input; windows one at a time through the encoder."""
        fitted = self._ready()
        found: dict[str, Tensor] = {}
        windows, flag = list[Tensor](), ""
        if "series" in self.settings.branches or self.settings.mode == "faithful":
            windows, flag = evaluation_windows(
                normalised(series, self.settings, fitted.series_statistics), self.settings
            )
        if "series" in self.settings.branches:
            found["series"] = (
                torch.stack(windows)
                if self.settings.foundation == "scratch"
                else self._vectors(windows)
            )
        count = max(len(windows), 1)
        if matrix is not None and "connectivity" in self.settings.branches:
            found["connectivity"] = self._seen(matrix).unsqueeze(0)
        if volumes is not None:
            found["structural"] = volumes.unsqueeze(0)
        return {
            name: rows if len(rows) == count else rows.expand(count, *rows.shape[1:])
            for name, rows in found.items()
        }, flag

    def _seen(self, matrix: Tensor) -> Tensor:
        fitted = self._ready()
        return connectivity_input(
            self.settings.connectivity, matrix, fitted.shrinkage, fitted.whitening_on(matrix)
        )

    def _vectors(self, windows: list[Tensor]) -> Tensor:
        """(window, width); from the cache where no gradient is wanted."""
        source = self._ready().encoder
        assert source is not None
        assert self.centroids_mm is not None
        assert self.orders is not None
        if not torch.is_grad_enabled():
            return frozen_vectors(source, windows, self.centroids_mm, self.orders, self.cache)
        places, orders = self._places(windows[0])
        rows = [source.encoder.cls(window.unsqueeze(0), places, orders) for window in windows]
        return torch.cat(rows)

    def _places(self, like: Tensor) -> tuple[Tensor, Tensor]:
        assert self.centroids_mm is not None
        assert self.orders is not None
        places = coordinates(self.centroids_mm).to(like.device)
        return places, torch.from_numpy(self.orders).to(like.device)

    def _member_features(self, member: FmmTcModule, inputs: dict[str, Tensor]) -> Features:
        if not member.trains_encoder or "series" not in inputs:
            return member.features(inputs)
        places, orders = self._places(inputs["series"])
        rows = [
            member.features({"series": one[None]}, places, orders)["series"]
            for one in inputs["series"]
        ]
        rest = {name: rows_ for name, rows_ in inputs.items() if name != "series"}
        joined = member.features(rest)
        return {"series": torch.cat(rows)} | joined

    def _contributions(self, each: list[Features]) -> tuple[dict[str, float], bool]:
        """Branch shares against the mean training person, averaged over members and windows."""
        fitted = self._ready()
        branches = list(self.settings.branches)

        def value(shown: frozenset[str]) -> float:
            found = []
            for member, features, means in zip(
                fitted.members, each, fitted.reference_features, strict=True
            ):
                mixed = {
                    name: features[name] if name in shown else means[name].expand_as(features[name])
                    for name in branches
                }
                found.append(float(member.fusion(mixed).double().mean()))
            return float(np.mean(found))

        bias = value(frozenset())
        if not fitted.members[0].fusion.additive:
            return shapley(branches, value) | {"bias": bias}, False
        return {name: value(frozenset({name})) - bias for name in branches} | {"bias": bias}, True
