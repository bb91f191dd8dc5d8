"""From people to a fitted FMM_TC: statistics, frozen vectors, members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import array_sha256, record_sha256
from app.models.connectivity_kinds import (
    connectivity_input,
    filled,
    geometric_mean,
    inverse_root,
    mean_matrix,
    mean_shrinkage,
    shrunk,
)
from app.models.feature_cache import FeatureCache
from app.models.fmm_tc_inputs import (
    SeriesStatistics,
    check_series,
    evaluation_windows,
    fit_series_statistics,
    gram,
    normalised,
    present_parcels,
    training_window,
)
from app.models.fmm_tc_module import FmmTcModule, made
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.fmm_tc_training import (
    Inputs,
    MemberRecord,
    TrainingPeople,
    inner_fold_of,
    train_member,
    train_released,
)
from app.models.fusion import Features
from app.models.reference_series import SeriesSummary, summarise
from app.models.series_encoder import EncoderSource, coordinates
from app.models.structural import check_volumes

SMALLEST_CLASS = 4  # people of each class: one for every inner fold by default


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
    parcels = _check_people(settings, series, connectivity, labels, centroids_mm)
    volumes = None
    if "structural" in settings.branches:
        volumes = check_volumes(structural, len(labels), settings.structural_unit)
    missing = sum(check_series(one, parcels, settings) for one in series)
    clean = [_with_gaps(one) for one in series]
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
    connections = _Connections.fit(settings, clean, connectivity, parcels)
    fitting = _Fitting(
        settings, source, centroids_mm, orders, cache, device, ready, connections, volumes, y, seed
    )
    scaler = global_volumes if global_volumes is not None else volumes
    members, records, facts = (
        fitting.released(parcels, scaler, progress)
        if settings.mode == "faithful"
        else fitting.corrected(parcels, scaler, progress)
    )
    short = sum(len(one) < settings.window_frames for one in series)
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


def _check_people(
    settings: FmmTcSettings,
    series: Sequence[Floats],
    connectivity: Floats,
    labels: Bools,
    centroids_mm: Floats | None,
) -> int:
    smallest = SMALLEST_CLASS if settings.mode == "corrected" else 1
    counts = int(labels.sum()), int((~labels).sum())
    if min(counts) < max(smallest, settings.training.inner_folds):
        raise ModelError(
            f"There are {counts[0]} responders and {counts[1]} others; the model needs at least "
            f"{max(smallest, settings.training.inner_folds)} of each.",
            "Train on more people.",
            code="model.too_few",
        )
    parcels = int(series[0].shape[1]) if len(series) and series[0].ndim == 2 else 0
    if centroids_mm is not None and centroids_mm.shape != (parcels, 3):
        raise ModelError(
            f"The series have {parcels} parcels, the coordinates {len(centroids_mm)}.",
            "Use the atlas of the encoder's coordinates.",
            code="model.series_shape",
        )
    uses_matrix = settings.mode == "corrected" and "connectivity" in settings.branches
    if len(series) != len(labels) or (
        uses_matrix and connectivity.shape != (len(labels), parcels, parcels)
    ):
        raise ModelError(
            f"{len(labels)} labels, {len(series)} series and connectivity of shape "
            f"{connectivity.shape} do not belong together.",
            "Give one series, one matrix and one label a person, in one order.",
            code="model.people",
        )
    return parcels


def _with_gaps(series: Floats) -> Floats:
    return np.where(present_parcels(series), np.asarray(series, np.float64), np.nan)


@dataclass(frozen=True, slots=True)
class _Connections:
    """Connectivity statistics of the training people, and what the encoder sees of each."""

    mean: Floats
    shrinkage: float
    whitening: Floats | None
    inputs: Tensor | None  # (person, parcel, parcel), float32
    missing: int

    @classmethod
    def fit(
        cls, settings: FmmTcSettings, series: list[Floats], matrices: Floats, parcels: int
    ) -> _Connections:
        if settings.mode == "faithful" or "connectivity" not in settings.branches:
            return cls(np.zeros((parcels, parcels)), 0.0, None, None, 0)
        mean = mean_matrix(matrices)
        gaps = [filled(np.asarray(one, np.float64), mean) for one in matrices]
        whole = [one for one, _ in gaps]
        shrinkage, whitening = 0.0, None
        if settings.connectivity in ("partial", "tangent"):
            shrinkage = settings.shrinkage or mean_shrinkage(series)
        if settings.connectivity == "tangent":
            close = [shrunk(torch.from_numpy(one), shrinkage).numpy() for one in whole]
            whitening = inverse_root(geometric_mean(close))
        reference = None if whitening is None else torch.from_numpy(whitening)
        inputs = torch.stack(
            [
                connectivity_input(
                    settings.connectivity, torch.from_numpy(one), shrinkage, reference
                )
                for one in whole
            ]
        )
        return cls(mean, shrinkage, whitening, inputs, sum(count for _, count in gaps))


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
    connections: _Connections
    volumes: Floats | None
    labels: Tensor
    seed: int

    # -------------------------------------------------------------- corrected

    def corrected(
        self, parcels: int, scaler: Floats | None, progress: Progress
    ) -> tuple[list[FmmTcModule], list[MemberRecord], tuple[int, str]]:
        training = self.settings.training
        people = self._people(progress)
        folds = inner_fold_of(self.labels.cpu().numpy() > 0.5, training.inner_folds, self.seed)
        members, records = [], []
        for number in range(training.members):
            module = made(self.settings, parcels, self.source, self.seed + number).to(self.device)
            self._fit_statistics(module, people, scaler)

            def told(epoch: int, _module: torch.nn.Module, number: int = number) -> None:
                done = (number + epoch / training.epochs) / training.members
                progress.step(0.5 + 0.5 * done, f"member {number + 1}, epoch {epoch}")

            records.append(
                train_member(
                    module,
                    people,
                    np.flatnonzero(folds != number),
                    np.flatnonzero(folds == number),
                    training,
                    inner_fold=number,
                    seed=self.seed,
                    after_epoch=told,
                )
            )
            members.append(module.requires_grad_(False))
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
        places, orders = self._places()
        encoder = self.source.encoder
        key = record_sha256(
            [
                self.source.identity(),
                array_sha256(self.centroids_mm, self.orders),
                array_sha256(*(one.cpu().numpy() for one in windows)),
            ]
        )

        def compute() -> Floats:
            with torch.no_grad():
                rows = [encoder.cls(one.unsqueeze(0), places, orders) for one in windows]
            return np.asarray(torch.cat(rows).cpu().numpy())

        return torch.from_numpy(self.cache.get(key, compute)).to(self.device)

    def _fit_statistics(
        self, module: FmmTcModule, people: TrainingPeople, scaler: Floats | None
    ) -> None:
        if people.windows is not None and not module.trains_encoder:
            module.series.fit(torch.stack([rows.mean(dim=0) for rows in people.windows]))
        if people.connectivity is not None:
            module.connectivity.fit(people.connectivity)
        if scaler is not None:
            module.structural.fit(scaler)

    # -------------------------------------------------------------- as released

    def released(
        self, parcels: int, scaler: Floats | None, progress: Progress
    ) -> tuple[list[FmmTcModule], list[MemberRecord], tuple[int, str]]:
        module = made(self.settings, parcels, self.source, self.seed).to(self.device)
        if scaler is not None:
            module.structural.fit(scaler)
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
