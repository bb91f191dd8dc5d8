"""Connectome-based predictive modelling (Shen et al. 2017, Nature Protocols 12:506-518).

In the training people each connection (Fisher z) is correlated with the outcome; those with a
two-sided p below a threshold form a positive and a negative network; a person is summed up as
the sum over each. Shen's last step is a line through the sums; for a yes-or-no outcome it is a
logistic regression on both. The threshold is chosen by inner folds, edges selected anew in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import ConfigDict
from scipy import stats
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.connections import fisher_pairs, fisher_pairs_of, missing_parcels
from app.models.baselines.linear import LOGISTIC, fit_scaling, solve
from app.models.baselines.people import People, inner_folds, log_loss, people_of
from app.models.baselines.rival import Rival, parcels_of
from app.models.baselines.storage import Stored, to_tensor

THRESHOLDS = (0.001, 0.005, 0.01, 0.05)


@dataclass(frozen=True, slots=True)
class PredictiveSettings:
    """Candidate thresholds (two-sided p), and the number of parcels once fitted."""

    thresholds: tuple[float, ...] = THRESHOLDS
    parcels: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Networks:
    """What is kept of training people at one threshold."""

    mean: Floats  # (pair,), for unknown connections
    signs: Floats  # (pair,): 1 positive network, -1 negative, 0 neither
    weights: Floats  # (2,), of the sums over the positive and the negative network
    bias: float

    def log_odds(self, row: Floats) -> float:
        """Of one person's (pair,) Fisher z."""
        return float(
            _sums(np.where(np.isfinite(row), row, self.mean), self.signs) @ self.weights
        ) + (self.bias)

    def head(self) -> tuple[Floats, float]:
        """The same as one weight a pair, of Fisher z minus `mean`, and the bias."""
        weights = np.where(self.signs > 0, self.weights[0], 0.0)
        weights = np.where(self.signs < 0, self.weights[1], weights)
        return weights, self.bias + float(weights @ self.mean)


def _sums(row: Floats, signs: Floats) -> Floats:
    return np.array([row[signs > 0].sum(), row[signs < 0].sum()])


def fit_networks(rows: Floats, labels: Bools, threshold: float) -> Networks:
    """Select edges and fit the two sums.

    Parameters
    ----------
    rows
        (person, pair) Fisher z, NaN where unknown.
    labels
        (person,).
    threshold
        Two-sided p of the point-biserial correlation.
    """
    scaling = fit_scaling(rows, standardise=True)
    filled = np.where(np.isfinite(rows), rows, scaling.mean)
    centred = scaling.apply(rows)
    length = np.sqrt((centred**2).sum(axis=0))
    target = labels - labels.mean()
    correlation = np.divide(
        target @ centred,
        length * np.sqrt((target**2).sum()),
        out=np.zeros(rows.shape[1]),
        where=length > 0,
    )
    degrees = len(labels) - 2
    t = stats.t.isf(0.5 * threshold, degrees)
    critical = t / np.sqrt(degrees + t**2)
    signs = np.where(np.abs(correlation) > critical, np.sign(correlation), 0.0)
    sums = np.stack([_sums(row, signs) for row in filled])
    spread, middle = sums.std(axis=0), sums.mean(axis=0)
    factor = np.divide(1.0, spread, out=np.zeros(2), where=spread > 1e-10)
    line, bias = solve(LOGISTIC, (sums - middle) * factor, labels, 1.0)
    weights = line * factor
    return Networks(scaling.mean, signs, weights, bias - float(middle @ weights))


class ConnectomePredictive(Rival):
    """Positive and negative networks, one threshold chosen inside."""

    kind = "connectome-predictive"

    def __init__(self) -> None:
        super().__init__()
        self.settings = PredictiveSettings()
        self.networks: Networks | None = None

    @property
    def fitted(self) -> bool:
        """Whether there is anything to ask."""
        return self.networks is not None

    def _learn(self, people: People, labels: Bools, seed: int, progress: Progress) -> None:
        thresholds = self.settings.thresholds
        parcels = parcels_of(people)
        rows = fisher_pairs(people.connectivity)
        scores = np.empty((len(thresholds), len(labels)))
        folds = inner_folds(labels, seed)
        for number, (inside, outside) in enumerate(folds):
            progress.step(number / len(folds), "choosing the threshold")
            for place, threshold in enumerate(thresholds):
                found = fit_networks(rows[inside], labels[inside], threshold)
                scores[place, outside] = [found.log_odds(row) for row in rows[outside]]
        losses = np.array([log_loss(row, labels) for row in scores])
        chosen = thresholds[int(np.flatnonzero(losses <= losses.min() + 1e-12)[0])]
        self.networks = fit_networks(rows, labels, chosen)
        self.settings = PredictiveSettings(thresholds, parcels)
        self.told = {
            "threshold_p": chosen,
            "positive_edges": float((self.networks.signs > 0).sum()),
            "negative_edges": float((self.networks.signs < 0).sum()),
            "imputed_parcels": float(missing_parcels(people.connectivity)),
        }

    def _log_odds(self, person: People) -> float:
        assert self.networks is not None
        parcels_of(person, self.settings.parcels)
        return self.networks.log_odds(fisher_pairs(person.connectivity)[0])

    def centred_features(self, series: Floats, connectivity: Floats, covariates: Floats) -> Floats:
        """(pair,) Fisher z of one person minus the training mean; unknown values are 0."""
        self._refuse_unfitted()
        assert self.networks is not None
        people = people_of([series], connectivity[None], covariates[None], None)
        parcels_of(people, self.settings.parcels)
        row = fisher_pairs(people.connectivity)[0]
        return np.where(np.isfinite(row), row - self.networks.mean, 0.0)

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """One person's log-odds, scalar; differentiable in the matrix, the series plays no part."""
        self._refuse_unfitted()
        assert self.networks is not None
        pairs = fisher_pairs_of(connectivity)
        mean = torch.from_numpy(self.networks.mean).to(pairs)
        filled = torch.where(torch.isfinite(pairs), pairs, mean)
        signs = torch.from_numpy(self.networks.signs).to(pairs)
        weights = self.networks.weights
        positive, negative = (signs > 0).to(pairs), (signs < 0).to(pairs)
        per_pair = positive * float(weights[0]) + negative * float(weights[1])
        return filled @ per_pair + self.networks.bias

    def _tensors(self) -> Mapping[str, Tensor]:
        assert self.networks is not None
        return {
            "mean": to_tensor(self.networks.mean),
            "signs": to_tensor(self.networks.signs),
            "weights": to_tensor(self.networks.weights),
            "bias": to_tensor([self.networks.bias]),
        }

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        model = cls()
        model.settings = stored.settings_as(PredictiveSettings)
        return model

    def _restore(self, stored: Stored) -> None:
        pairs = self.settings.parcels * (self.settings.parcels - 1) // 2
        shapes = {"mean": (pairs,), "signs": (pairs,), "weights": (2,), "bias": (1,)}
        arrays = stored.arrays({key: (shape, torch.float64) for key, shape in shapes.items()})
        signs = arrays["signs"].numpy()
        if not np.isin(signs, (-1.0, 0.0, 1.0)).all():
            raise ModelError(
                "The model file cannot be used: an edge is neither in a network nor outside.",
                "Train the model again.",
                code="model.damaged",
            )
        mean, weights = arrays["mean"].numpy(), arrays["weights"].numpy()
        self.networks = Networks(mean, signs, weights, float(arrays["bias"][0]))
