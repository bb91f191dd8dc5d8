"""Small planted cohorts, one a kind of input; parcels, frames and covariates differ in number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from app.core.arrays import Bools, Floats
from app.models.baselines import BASELINES, Baseline, Study
from app.models.baselines.encoder_logistic import BrainLMCls
from app.models.baselines.network_response import NetworkRival
from app.models.baselines.rival import Rival
from app.models.baselines.training_loop import Training
from app.models.brainlm import BrainLM
from app.models.brainlm_config import BrainLMConfig

PARCELS, WINDOW, VOLUMES = 8, 30, 45
IDS = tuple(one.id for one in BASELINES)


@dataclass(frozen=True)
class Cohort:
    """Inputs and labels of some people."""

    series: list[Floats]
    connectivity: Floats
    covariates: Floats
    structural: Floats
    labels: Bools

    def rows(self, index: Any) -> Cohort:
        return Cohort(
            [self.series[i] for i in index],
            self.connectivity[index],
            self.covariates[index],
            self.structural[index],
            self.labels[index],
        )

    def fit(self, rival: Rival, seed: int = 0) -> Rival:
        return rival.fit(
            self.series,
            self.connectivity,
            self.covariates,
            self.labels,
            structural=self.structural,
            seed=seed,
        )

    def asked(self, rival: Rival) -> Floats:
        return rival.predict_log_odds(
            self.series, self.connectivity, self.covariates, structural=self.structural
        )


def cohort(count: int, seed: int = 0, *, planted: bool = True, missing: bool = True) -> Cohort:
    """Responders are younger, move less, and parcels 1 and 2 go up and down together.

    Lengths of series differ; a few parcels, covariates and volumes are missing.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2 == 0
    labels = rng.permutation(labels)
    effect = (labels if planted else rng.permutation(labels)).astype(float)
    series, matrices = [], []
    for person in range(count):
        frames = 34 + person % 7
        one = rng.standard_normal((frames, PARCELS))
        shared = rng.standard_normal(frames)
        strength = 2.5 * effect[person]
        one[:, 1] += strength * shared
        one[:, 2] += strength * shared
        series.append(one)
        matrix = np.corrcoef(one.T)
        np.fill_diagonal(matrix, 0.0)
        matrices.append(matrix)
    covariates = rng.standard_normal((count, 4))
    covariates -= 2.0 * effect[:, None]
    structural = rng.standard_normal((count, VOLUMES)) + effect[:, None] * (np.arange(45) < 5) * 2.5
    found = Cohort(series, np.stack(matrices), covariates, structural, labels)
    return with_gaps(found) if missing else found


def with_gaps(people: Cohort) -> Cohort:
    """A parcel missing in two people, some covariates and volumes unknown."""
    series, matrices = [one.copy() for one in people.series], people.connectivity.copy()
    covariates, structural = people.covariates.copy(), people.structural.copy()
    for person, parcel in ((1, 5), (2, 0)):
        series[person][:, parcel] = np.nan
        matrices[person, parcel] = matrices[person, :, parcel] = np.nan
    covariates[0, 2] = covariates[3, 0] = structural[1, 7] = np.nan
    return replace(
        people, series=series, connectivity=matrices, covariates=covariates, structural=structural
    )


def encoder(seed: int = 3) -> BrainLMCls:
    """A tiny frozen encoder with random weights."""
    config = BrainLMConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        decoder_hidden_size=16,
        decoder_num_attention_heads=2,
        num_brain_voxels=PARCELS,
        num_timepoints_per_voxel=WINDOW,
        timepoint_patching_size=10,
        conv_kernel_size=5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BrainLM(config).eval().requires_grad_(False)
    centroids = np.random.default_rng(seed).normal(0.0, 1.0, (PARCELS, 3))
    order = np.random.default_rng(seed).permutation(config.token_count)
    return BrainLMCls(model, centroids, order, 1.0)


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "encoder": SpreadEncoder(),
        "window_frames": WINDOW,
        "training": Training(epochs=8, folds=2, batch=8, learning_rate=4e-3),
    }
    return Study(**(settings | changes))


def baseline(name: str) -> Baseline:
    return next(one for one in BASELINES if one.id == name)


def make(name: str, **changes: Any) -> Rival:
    model = baseline(name).make(study(**changes))
    if isinstance(model, NetworkRival):  # the published widths are for hundreds of parcels
        model.settings = replace(model.settings, width=8)
    return model


@dataclass(frozen=True)
class SpreadEncoder:
    """A frozen encoder of one line: each CLS entry is a parcel's log variance."""

    sha256: str = "5" * 64
    width: int = PARCELS

    def cls(self, series: torch.Tensor) -> torch.Tensor:
        return (series.var(dim=0, correction=0) + 1e-6).log()
