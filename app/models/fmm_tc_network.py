"""FMM_TC as a model of response: every mode, branch, encoder and fusion behind one interface.

``log-odds = mean over members and windows of fusion(series vector, connectivity, volumes)``.
Everything data-dependent is fitted in `fit` on the people given there; validation people of the
inner folds share the label-free statistics (means, scales, tangent reference), nobody else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.device import fixed_threads
from app.models.differentiable_normalisation import SELF_SCALED
from app.models.features import present_parcels
from app.models.fmm_tc_fit import fit_people
from app.models.fmm_tc_head import centre_of, has_linear_head, head_features
from app.models.fmm_tc_inputs import check_series, evaluation_windows, normalised
from app.models.fmm_tc_parts import NetworkParts, ResponseDetail
from app.models.fusion import Gated
from app.models.scan_functions import ScanFunctions
from app.models.series_encoder import EncoderSource
from app.models.structural import check_volumes, structural_statistics


class FmmTcNetwork(NetworkParts):
    """FMM_TC, faithful or corrected; a `ResponseModel` and a `DifferentiableResponse`.

    Made as `NetworkParts` says: settings, encoder, centroids_mm, orders, cache, device.
    """

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

    def encoded(self, series: Floats) -> Floats:
        """The frozen encoder's vector of one scan, mean over windows, float64.

        Patch tokens that are pooled over networks are averaged over their width: (network,).
        """
        fitted = self._ready()
        clean = np.where(present_parcels(series), np.asarray(series, np.float64), np.nan)
        values = torch.from_numpy(clean.astype(np.float32)).to(self.device)
        with fixed_threads(), torch.no_grad():
            scaled = normalised(values, self.settings, fitted.series_statistics)
            windows, _ = evaluation_windows(scaled, self.settings)
            vector = self._vectors(windows).double().mean(dim=0).cpu().numpy()
        networks = getattr(fitted.encoder and fitted.encoder.encoder, "network_of_parcel", None)
        if networks is None:
            return np.asarray(vector)
        return np.asarray(vector.reshape(int(networks.max()) + 1, -1).mean(axis=1))

    def centred_features(self, series: Floats, connectivity: Floats, covariates: Floats) -> Floats:
        """See `RefittableResponse`: mean vector over windows and upper triangle.

        Raises
        ------
        ModelError
            ``model.refits`` for variants that are not linear in features of their own.
        """
        del covariates
        if not has_linear_head(self.settings):
            raise ModelError(
                "This variant is not linear in features of its own.",
                "Install the model again.",
                code="model.refits",
            )
        return head_features(self, series, connectivity) - centre_of(self)

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

    def scan_functions(
        self, series: Floats, connectivity: Floats, good_frames: Bools
    ) -> ScanFunctions | None:
        """One scan for attribution; None where each scan is scaled by itself.

        A variant whose branches interact comes as a joint model (`JointNetwork`).
        """
        from app.models.differentiable_network import explainable

        if self.settings.normalisation in SELF_SCALED and "series" in self.settings.branches:
            return None
        return explainable(self, series, connectivity, good_frames)

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
