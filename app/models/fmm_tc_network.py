"""FMM_TC as a model of response: every mode, branch, encoder and fusion behind one interface.

``log-odds = mean over members and windows of fusion(series vector, connectivity, volumes)``.
Everything data-dependent is fitted in `fit` on the people given there; validation people of the
inner folds share the label-free statistics (means, scales, tangent reference), nobody else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.connectivity_kinds import connectivity_input, filled
from app.models.device import fixed_threads
from app.models.feature_cache import FeatureCache, frozen_vectors
from app.models.features import correlation_of
from app.models.fmm_tc_fit import fit_people
from app.models.fmm_tc_fitted import Fitted
from app.models.fmm_tc_inputs import (
    check_series,
    evaluation_windows,
    gram,
    normalised,
    present_parcels,
)
from app.models.fmm_tc_module import FmmTcModule
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fusion import Features, Gated, shapley
from app.models.series_encoder import EncoderSource, coordinates, identity_orders
from app.models.structural import check_volumes, structural_statistics


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

    @property
    def window_spread(self) -> float:
        """Standard deviation over windows; 0 with one window."""
        return float(np.std(self.window_log_odds))


class FmmTcNetwork:
    """FMM_TC, faithful or corrected; a `ResponseModel` and a `DifferentiableResponse`.

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
        if (np.sort(self.orders, axis=1) != np.arange(self.orders.shape[1])).any():
            raise ModelError(
                "A token order is no permutation.", "Install the model again.", code="model.order"
            )

    # ------------------------------------------------------------------ learning

    def use_global_structural_statistics(self, volumes: Floats) -> None:
        """Scale volumes with the statistics of all people given here, as NeuFoM released it.

        Test people among them leak into training; only faithful mode does that, and the record
        says so. Call before `fit`.
        """
        if self.settings.mode != "faithful":
            raise ModelError(
                "Only faithful mode scales volumes with the statistics of all people.",
                "Corrected mode fits them on the training people.",
                code="model.settings",
            )
        structural_statistics(volumes)
        self._global_volumes = np.asarray(volumes, np.float64)

    def fit(
        self,
        series: Sequence[Floats],
        connectivity: Floats,
        covariates: Floats,
        labels: Bools,
        *,
        structural: Floats | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Self:
        """See `ResponseModel.fit`; covariates are not used.

        In faithful mode `series` are raw parcel means and `connectivity` is not used: the
        released model computes its Gram matrix from the same window as the series.
        """
        del covariates
        with fixed_threads():
            self.fitted = fit_people(
                self.settings,
                self.encoder,
                self.centroids_mm,
                self.orders,
                self.cache,
                self.device,
                series=series,
                connectivity=connectivity,
                labels=np.asarray(labels, np.bool_),
                structural=structural,
                global_volumes=self._global_volumes,
                seed=seed,
                progress=progress or Progress(),
            )
        return self

    # ------------------------------------------------------------------ answering

    def predict_log_odds(
        self,
        series: Sequence[Floats],
        connectivity: Floats,
        covariates: Floats,
        *,
        structural: Floats | None = None,
    ) -> Floats:
        """Uncalibrated log-odds, (person,); each person is answered alone."""
        del covariates
        found = []
        for index, one in enumerate(series):
            volumes = None if structural is None else structural[index]
            found.append(self.detail(one, connectivity[index], volumes).log_odds)
        return np.array(found)

    def detail(
        self, series: Floats, connectivity: Floats, structural: Floats | None = None
    ) -> ResponseDetail:
        """One person's log-odds, window by window, with the branches' shares.

        Raises
        ------
        ModelError
            ``model.not_fitted``, or as `check_series`, `evaluation_windows` and `check_volumes`.
        """
        fitted = self._ready()
        missing = check_series(series, fitted.parcels, self.settings)
        volumes = self._volumes(structural)
        present = present_parcels(series)
        clean = np.where(present, np.asarray(series, np.float64), np.nan)
        values = torch.from_numpy(clean.astype(np.float32)).to(self.device)
        matrix, unconnected = self._matrix(values, connectivity)
        with fixed_threads(), torch.no_grad():
            inputs, flag = self._inputs(values, matrix, volumes)
            each = [self._member_features(member, inputs) for member in fitted.members]
            logits = torch.stack([m.fusion(f) for m, f in zip(fitted.members, each, strict=True)])
            shares, exact = self._contributions(each)
        windows = logits.double().mean(dim=0).cpu().numpy()
        return ResponseDetail(
            log_odds=float(logits.double().mean()),
            window_log_odds=windows,
            member_log_odds=logits.double().mean(dim=1).cpu().numpy(),
            contributions=shares,
            exact_contributions=exact,
            missing_parcels=missing,
            missing_connectivity=unconnected,
            missing_volumes=0 if volumes is None else int((~torch.isfinite(volumes)).sum()),
            flags=(flag,) if flag else (),
        )

    def log_odds_of(
        self, series: Tensor, connectivity: Tensor, structural: Tensor | None = None
    ) -> Tensor:
        """Log-odds with gradients to series and matrix, scalar.

        Parameters
        ----------
        series
            (frame, parcel) as in `fit`; NaN columns for missing parcels.
        connectivity
            (parcel, parcel) correlation, NaN rows for missing parcels; in faithful mode the Gram
            matrix of the window (`connectivity_of`).
        structural
            (45,) volumes, for variants with that branch.
        """
        fitted = self._ready()
        matrix = connectivity
        if self.settings.mode != "faithful" and "connectivity" in self.settings.branches:
            mean = torch.from_numpy(fitted.mean_correlation).to(connectivity)
            matrix = torch.where(torch.isfinite(connectivity), connectivity, mean)
        volumes = None
        if "structural" in self.settings.branches:
            if structural is None:
                check_volumes(None, 1, self.settings.structural_unit)
            volumes = structural
        inputs, _ = self._inputs(series, matrix, volumes)
        logits = [m.fusion(self._member_features(m, inputs)) for m in fitted.members]
        return torch.stack(logits).mean()

    def part_log_odds_of(self, branch: str, value: Tensor) -> Tensor:
        """What one branch adds, scalar with gradients; series or matrix as in `log_odds_of`.

        Only for fusions that are a sum; a branch that the variant lacks adds 0.
        """
        fitted = self._ready()
        if branch not in self.settings.branches:
            return 0.0 * value.sum()
        if branch == "series":
            inputs, _ = self._inputs(value, None, None)
        else:
            inputs = {"connectivity": self._seen(value).unsqueeze(0)}
        parts = []
        for member in fitted.members:
            assert not isinstance(member.fusion, Gated)
            rows = self._member_features(member, inputs)[branch]
            parts.append(member.fusion.part(branch, rows).mean())
        return torch.stack(parts).mean()

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

    # ------------------------------------------------------------------ inside

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
        whole, missing = filled(np.asarray(connectivity, np.float64), fitted.mean_correlation)
        return torch.from_numpy(whole).to(self.device), missing

    def _inputs(
        self, series: Tensor, matrix: Tensor | None, volumes: Tensor | None
    ) -> tuple[dict[str, Tensor], str]:
        """One row a window of every branch's input; windows one at a time through the encoder."""
        fitted = self._ready()
        found: dict[str, Tensor] = {}
        windows, flag = evaluation_windows(
            normalised(series, self.settings, fitted.series_statistics), self.settings
        )
        if "series" in self.settings.branches:
            found["series"] = (
                torch.stack(windows)
                if self.settings.foundation == "scratch"
                else self._vectors(windows)
            )
        count = len(windows)
        if matrix is not None and "connectivity" in self.settings.branches:
            found["connectivity"] = self._seen(matrix).unsqueeze(0)
        if volumes is not None:
            found["structural"] = volumes.unsqueeze(0)
        if "series" not in found:
            count = 1
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

    # ------------------------------------------------------------------ storing

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Plain settings (JSON) and tensors of a fitted model; third-party weights by hash."""
        from app.models.fmm_tc_store import state_of

        return state_of(self)

    @classmethod
    def from_state(
        cls,
        settings: dict[str, Any],
        tensors: dict[str, Tensor],
        *,
        encoder: EncoderSource | None = None,
        device: str = "cpu",
    ) -> FmmTcNetwork:
        """Build from what `state` gave; see `load`."""
        from app.models.fmm_tc_store import network_of

        return network_of(settings, tensors, encoder=encoder, device=device)

    def save(self, path: Path) -> None:
        """One safetensors file, settings in its metadata; written beside and renamed."""
        from app.models.fmm_tc_store import write

        write(self, path)

    @classmethod
    def load(
        cls, path: Path, *, encoder: EncoderSource | None = None, device: str = "cpu"
    ) -> FmmTcNetwork:
        """Read strictly.

        Parameters
        ----------
        path
            What `save` wrote.
        encoder
            For models that refer to third-party weights: those weights, checked by hash.
        device
            Where torch computes.

        Raises
        ------
        ModelError
            ``model.encoder_missing``, ``model.encoder_hash``, or as `check_tensors`.
        """
        from app.models.fmm_tc_store import read

        return read(path, encoder=encoder, device=device)

    def record(self) -> dict[str, Any]:
        """How the model was trained, for a card or a run record."""
        return asdict(self._ready().record)
