"""From people to a fitted FMM_TC: statistics, frozen vectors, members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.core.provenance import array_sha256, record_sha256
from app.models.connectivity_encoder import LinearConnectivity
from app.models.feature_cache import FeatureCache, frozen_vectors
from app.models.fmm_tc_fitted import Fitted, TrainingRecord
from app.models.fmm_tc_inputs import (
    check_series,
    evaluation_windows,
    fit_series_statistics,
    gram,
    normalised,
    training_window,
)
from app.models.fmm_tc_members import train_members
from app.models.fmm_tc_module import FmmTcModule, made
from app.models.fmm_tc_people import TrainingConnectivity, check_people, with_gaps
from app.models.fmm_tc_people_ready import Inputs, TrainingPeople
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fmm_tc_training import (
    MemberRecord,
    inner_fold_of,
    train_released,
)
from app.models.fusion import Features
from app.models.reference_series import summarise
from app.models.series_encoder import EncoderSource, coordinates
from app.models.structural import check_volumes


def fit_people(
    settings: FmmTcSettings,
    source: EncoderSource | None,
    centroids_mm: Floats | None,
    orders: Ints | None,
    cache: FeatureCache,
    device: str,
    *,
    series: Sequence[Floats],
    connectivity: Floats,
    labels: Bools,
    structural: Floats | None,
    global_volumes: Floats | None,
    seed: int,
    progress: Progress,
) -> Fitted:
    """Fit one variant; see `FmmTcNetwork.fit`."""
    parcels = check_people(settings, series, connectivity, labels, centroids_mm)
    volumes = None
    if "structural" in settings.branches:
        volumes = check_volumes(structural, len(labels), settings.structural_unit)
    missing = sum(check_series(one, parcels, settings) for one in series)
    clean = [with_gaps(one) for one in series]
    if source is not None and settings.foundation != "pretrained":
        source = source.restarted(seed)
    statistics = None
    if settings.normalisation == "robust_cohort":
        statistics = fit_series_statistics(clean)
    ready = [
        normalised(torch.from_numpy(one.astype(np.float32)).to(device), settings, statistics)
        for one in clean
    ]
    y = torch.from_numpy(labels.astype(np.float32)).to(device)
    connections = TrainingConnectivity.fit(settings, clean, connectivity, parcels)
    fitting = _Fitting(
        settings, source, centroids_mm, orders, cache, device, ready, connections, volumes, y, seed
    )
    scaler = global_volumes if global_volumes is not None else volumes
    members, records, facts = (
        fitting.released(parcels, scaler, progress)
        if settings.mode == "faithful"
        else fitting.corrected(parcels, scaler, progress)
    )
    short = sum(len(one) < settings.window_frames for one in ready)
    return Fitted(
        parcels=parcels,
        encoder=source,
        members=tuple(members),
        mean_correlation=connections.mean,
        shrinkage=connections.shrinkage,
        whitening=connections.whitening,
        series_statistics=statistics,
        summary=summarise(clean, connections.mean) if settings.mode == "corrected" else None,
        reference_features=tuple(fitting.mean_features(one) for one in members),
        record=TrainingRecord(
            seed=seed,
            people=len(labels),
            responders=int(labels.sum()),
            members=tuple(records),
            missing_parcels=missing,
            missing_connectivity=connections.missing,
            missing_volumes=0 if volumes is None else int(np.isnan(volumes).sum()),
            short_scans=short if settings.short_scans != "refuse" else 0,
            global_structural_statistics=global_volumes is not None,
            training_orders=facts[0],
            training_orders_sha256=facts[1],
        ),
    )


@dataclass(slots=True)
class _Fitting:
    """The people and the frozen encoder of one `fit`."""

    settings: FmmTcSettings
    source: EncoderSource | None
    centroids_mm: Floats | None
    orders: Ints | None
    cache: FeatureCache
    device: str
    series: list[Tensor]  # normalised, (frame, parcel)
    connections: TrainingConnectivity
    volumes: Floats | None
    labels: Tensor
    seed: int

    # -------------------------------------------------------------- corrected

    def corrected(
        self, parcels: int, scaler: Floats | None, progress: Progress
    ) -> tuple[list[FmmTcModule], list[MemberRecord], tuple[int, str]]:
        people = self._people(progress)
        count = self.settings.training.inner_folds
        folds = inner_fold_of(self.labels.cpu().numpy() > 0.5, count, self.seed)
        members, records = train_members(
            self.settings, self.source, parcels, people, folds, scaler,
            seed=self.seed, progress=progress,
        )  # fmt: skip
        return members, records, (0, "")

    def _people(self, progress: Progress) -> TrainingPeople:
        windows: list[Tensor] | None = None
        places, orders = self._places()
        trains = self.settings.foundation == "scratch"
        if self.source is not None:
            windows = []
            for number, one in enumerate(self.series, start=1):
                parts, _ = evaluation_windows(one, self.settings)
                windows.append(torch.stack(parts) if trains else self._vectors(parts))
                progress.step(0.5 * number / len(self.series), f"windows of participant {number}")
        inputs = self.connections.inputs
        if inputs is not None and self.settings.connectivity_encoder == "linear":
            inputs = LinearConnectivity(inputs.shape[-1]).upper(inputs)
        return TrainingPeople(
            windows,
            None if inputs is None else inputs.to(self.device),
            None if self.volumes is None else torch.from_numpy(self.volumes).to(self.device),
            self.labels,
            places if trains else None,
            orders if trains else None,
        )

    def _vectors(self, windows: list[Tensor]) -> Tensor:
        """Vectors of one scan's windows, (window, width), from the cache where it fits."""
        assert self.source is not None
        assert self.centroids_mm is not None
        assert self.orders is not None
        return frozen_vectors(self.source, windows, self.centroids_mm, self.orders, self.cache)

    # -------------------------------------------------------------- as released

    def released(
        self, parcels: int, scaler: Floats | None, progress: Progress
    ) -> tuple[list[FmmTcModule], list[MemberRecord], tuple[int, str]]:
        module = made(self.settings, parcels, self.source, self.seed).to(self.device)
        module.fit_statistics(None, None, scaler)
        order_rng = np.random.default_rng([self.seed, 37])
        drawn: list[str] = []
        places, _ = self._places()

        def draw_orders() -> Tensor:
            assert self.orders is not None
            order = order_rng.permutation(self.orders.shape[1]).astype(np.int64)[None]
            drawn.append(array_sha256(order))
            return torch.from_numpy(order).to(self.device)

        def draw(batch: Ints, rng: np.random.Generator) -> Inputs:
            windows = [training_window(self.series[i], self.settings, rng)[0] for i in batch]
            found: Inputs = {}
            if self.source is not None:
                stacked = torch.stack(windows)
                found["series"] = stacked
                if not module.trains_encoder:
                    assert places is not None
                    with torch.no_grad():
                        found["series"] = self.source.encoder.cls(stacked, places, draw_orders())
            if "connectivity" in self.settings.branches:
                found["connectivity"] = torch.stack([gram(one) for one in windows])
            if self.volumes is not None:
                found["structural"] = torch.from_numpy(self.volumes[batch]).to(self.device)
            return found

        training = self.settings.training

        def told(epoch: int, _module: torch.nn.Module) -> None:
            progress.step(epoch / training.epochs, f"epoch {epoch} of {training.epochs}")

        record = train_released(
            module,
            draw,
            self.labels,
            training,
            seed=self.seed,
            places=places,
            draw_orders=draw_orders,
            after_epoch=told,
        )
        return [module.requires_grad_(False)], [record], (len(drawn), record_sha256(drawn))

    # -------------------------------------------------------------- both

    def mean_features(self, module: FmmTcModule) -> Features:
        """Mean over training people of what the fusion layer sees, (1, width) a branch."""
        places, orders = self._places()
        total: dict[str, Tensor] = {}
        with torch.no_grad():
            for index, one in enumerate(self.series):
                windows, _ = evaluation_windows(one, self.settings)
                inputs: Inputs = {}
                if self.source is not None:
                    inputs["series"] = (
                        torch.stack(windows) if module.trains_encoder else self._vectors(windows)
                    )
                if self.connections.inputs is not None:
                    inputs["connectivity"] = self.connections.inputs[index : index + 1].to(
                        self.device
                    )
                elif "connectivity" in self.settings.branches:
                    inputs["connectivity"] = gram(windows[0])[None]
                if self.volumes is not None:
                    rows = self.volumes[index : index + 1]
                    inputs["structural"] = torch.from_numpy(rows).to(self.device)
                for name, rows_ in module.features(inputs, places, orders).items():
                    mean = rows_.double().mean(dim=0, keepdim=True)
                    total[name] = total.get(name, torch.zeros_like(mean)) + mean
        return {name: (value / len(self.series)).float() for name, value in total.items()}

    def _places(self) -> tuple[Tensor | None, Tensor | None]:
        if self.centroids_mm is None or self.orders is None:
            return None, None
        return (
            coordinates(self.centroids_mm).to(self.device),
            torch.from_numpy(self.orders).to(self.device),
        )
