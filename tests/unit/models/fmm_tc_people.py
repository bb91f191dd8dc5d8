"""Tiny people for FMM_TC: 12 parcels, windows of 20 frames, a planted connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig
from app.models.fmm_tc_network import FmmTcNetwork
from app.models.fmm_tc_settings import FmmTcSettings, FmmTcTraining
from app.models.series_encoder import EncoderSource, restart

PARCELS, WINDOW = 12, 20
CONFIG = BrainLMConfig(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    decoder_hidden_size=16,
    num_brain_voxels=PARCELS,
    num_timepoints_per_voxel=WINDOW,
    timepoint_patching_size=10,
    conv_kernel_size=5,
)
PLACES = np.random.default_rng(3).uniform(-60, 60, (PARCELS, 3)).astype(np.float32)
SHORT = FmmTcTraining(epochs=12, patience=6, batch=8, inner_folds=3, members=2)


@dataclass(frozen=True)
class People:
    series: list[np.ndarray]
    connectivity: np.ndarray
    labels: np.ndarray
    structural: np.ndarray

    @property
    def covariates(self) -> np.ndarray:
        return np.zeros((len(self.labels), 0))

    def some(self, rows: Any) -> People:
        index = np.arange(len(self.labels))[rows]
        return People(
            [self.series[i] for i in index],
            self.connectivity[index],
            self.labels[index],
            self.structural[index],
        )


def people(count: int = 24, *, frames: int = 47, seed: int = 1, effect: float = 0.9) -> People:
    """Responders couple parcels 1 and 4."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2 == 0
    series, matrices = [], []
    for label in labels:
        one = rng.standard_normal((frames, PARCELS))
        one[:, 4] += effect * (1.0 if label else -1.0) * one[:, 1]
        one -= one.mean(0)
        series.append(one.astype(np.float32))
        matrix = np.corrcoef(one.T)
        np.fill_diagonal(matrix, 0.0)
        matrices.append(matrix)
    volumes = rng.uniform(500, 5000, (count, 45))
    return People(series, np.stack(matrices), labels, volumes)


def raw(group: People) -> People:
    """The same people before cleaning: around a mean of 300."""
    series = [300.0 + 3.0 * one for one in group.series]
    return People(series, group.connectivity, group.labels, group.structural)


def source(*, third_party: bool = False, pooled: bool = False) -> EncoderSource:
    model = BrainLM(CONFIG)
    restart(model, 8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0)
    model.eval().requires_grad_(False)
    return EncoderSource.of_brainlm(
        model,
        file_sha256="ab" * 32 if third_party else None,
        network_of_parcel=np.arange(PARCELS) % 3 if pooled else None,
    )


def variant(mode: str = "corrected", **changes: Any) -> FmmTcSettings:
    """Tiny settings of either mode."""
    changes.setdefault("window_frames", WINDOW)
    if mode == "corrected":
        changes.setdefault("training", SHORT)
        return FmmTcSettings.corrected(**changes)
    return FmmTcSettings.faithful(**changes)


def network(settings: FmmTcSettings, encoder: EncoderSource | None = None) -> FmmTcNetwork:
    if "series" not in settings.branches:
        return FmmTcNetwork(settings)
    return FmmTcNetwork(settings, encoder=encoder or source(), centroids_mm=PLACES)


def fit(model: FmmTcNetwork, group: People, seed: int = 0) -> FmmTcNetwork:
    uses = "structural" in model.settings.branches
    return model.fit(
        group.series,
        group.connectivity,
        group.covariates,
        group.labels,
        structural=group.structural if uses else None,
        seed=seed,
    )


def ask(model: FmmTcNetwork, group: People) -> np.ndarray:
    uses = "structural" in model.settings.branches
    return model.predict_log_odds(
        group.series,
        group.connectivity,
        group.covariates,
        structural=group.structural if uses else None,
    )
