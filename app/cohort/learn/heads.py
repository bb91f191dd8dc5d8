"""How the head of each kind of model is fitted anew on some people, for refits.

A kind belongs here when its log-odds are linear in features that no label has a part in; then a
refit is one row of weights. What is chosen without labels (encoder, tangent reference, imputation)
and a penalty or threshold once chosen stay as delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from app.cohort.learn.fast_logistic import solve_logistic
from app.cohort.learn.people_folds import person_folds
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.models.baselines.connections import fisher_pairs
from app.models.baselines.connectome_predictive import ConnectomePredictive, fit_networks
from app.models.baselines.linear import Classifier, fit_scaling, solve
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import MINIMUM_PER_CLASS, People
from app.models.fmm_tc_head import HeadPeople, has_linear_head
from app.models.fmm_tc_network import FmmTcNetwork


class Heads(Protocol):
    """One fitted model's way to a head."""

    @property
    def rows(self) -> Floats:
        """(person, coordinate): scores are ``rows @ weights + bias``."""

    @property
    def slow(self) -> bool:
        """Whether a refit takes seconds, so that each finished one is kept."""

    @property
    def fewest(self) -> int:
        """People of either class without whom nothing is fitted."""

    def fit(self, drawn: Ints, seed: int) -> tuple[Floats, float]:
        """Weights (coordinate,) and bias of a head fitted on some people, with repeats."""

    def whole(self, heads: Floats) -> Floats:
        """(refit, coordinate) -> (refit, feature), of centred features."""


def heads_of(
    model: Any, people: People, labels: Bools, identifiers: Sequence[str], progress: Progress
) -> Heads | None:
    """The fitted model's; None for models whose refits are as large as they are."""
    if isinstance(model, LinearRival):
        return LinearHeads.of(model, people, labels)
    if isinstance(model, ConnectomePredictive):
        return PredictiveHeads.of(model, people, labels)
    if isinstance(model, FmmTcNetwork) and has_linear_head(model.settings):
        ready = HeadPeople.of(model, people.series, people.connectivity, progress)
        folds = model.settings.training.inner_folds
        return NetworkHeads(ready, ready.features(), labels, tuple(identifiers), folds)
    return None


@dataclass(frozen=True, slots=True)
class LinearHeads:
    """Of a `LinearRival`: all fits in the span of the people's own features."""

    rows: Floats
    basis: Floats | None  # (coordinate, feature)
    factor: Floats  # (feature,) or one number
    labels: Bools
    kind: Classifier
    strength: float
    slow: bool = False
    fewest: int = MINIMUM_PER_CLASS + 2

    @classmethod
    def of(cls, model: LinearRival, people: People, labels: Bools) -> LinearHeads:
        """Features of everybody, scaled as delivered."""
        assert model.linear is not None
        features = model.features_of(people)
        scaling = fit_scaling(features, standardise=model.standardise)
        scaled = scaling.apply(features)
        basis = _basis(scaled)
        small = scaled if basis is None else scaled @ basis.T
        return cls(small, basis, scaling.factor, labels, model.classifier, model.linear.strength)

    def fit(self, drawn: Ints, seed: int) -> tuple[Floats, float]:
        """At the delivered penalty."""
        del seed
        rows, labels = self.rows[drawn], self.labels[drawn]
        if self.kind.name in ("logistic", "plain"):
            return solve_logistic(rows, labels, self.strength)
        return solve(self.kind, rows, labels, self.strength)

    def whole(self, heads: Floats) -> Floats:
        """Back to features."""
        return np.asarray((heads if self.basis is None else heads @ self.basis) * self.factor)


@dataclass(frozen=True, slots=True)
class PredictiveHeads:
    """Of predictive networks: edges selected anew, at the delivered threshold."""

    pairs: Floats  # (person, pair) Fisher z, NaN where unknown
    mean: Floats  # (pair,)
    rows: Floats
    labels: Bools
    threshold: float
    slow: bool = False
    fewest: int = MINIMUM_PER_CLASS + 2

    @classmethod
    def of(cls, model: ConnectomePredictive, people: People, labels: Bools) -> PredictiveHeads:
        """Fisher z of everybody."""
        assert model.networks is not None
        pairs, mean = fisher_pairs(people.connectivity), model.networks.mean
        rows = np.where(np.isfinite(pairs), pairs - mean, 0.0)
        return cls(pairs, mean, rows, labels, model.told["threshold_p"])

    def fit(self, drawn: Ints, seed: int) -> tuple[Floats, float]:
        """Edges, sums and line."""
        del seed
        found = fit_networks(self.pairs[drawn], self.labels[drawn], self.threshold)
        weights, bias = found.head()
        return weights, bias + float(weights @ (self.mean - found.mean))

    def whole(self, heads: Floats) -> Floats:
        """As they are."""
        return heads


@dataclass(frozen=True, slots=True)
class NetworkHeads:
    """Of FMM_TC: scales, members, stopping and fusion fitted anew behind the frozen encoder."""

    people: HeadPeople
    rows: Floats
    labels: Bools
    identifiers: tuple[str, ...]
    inner_folds: int
    slow: bool = True

    @property
    def fewest(self) -> int:
        """One of either class for every inner fold, also without a fifth of them."""
        return max(MINIMUM_PER_CLASS, self.inner_folds) + 2

    def fit(self, drawn: Ints, seed: int) -> tuple[Floats, float]:
        """All members; nobody is in training and among those who stop it."""
        labels = self.labels[drawn]
        inner = person_folds([self.identifiers[int(i)] for i in drawn], labels, seed,
                             self.inner_folds)  # fmt: skip
        head = self.people.refit(drawn, labels, inner, seed)
        return head.weights, head.bias

    def whole(self, heads: Floats) -> Floats:
        """As they are."""
        return heads


def _basis(scaled: Floats) -> Floats | None:
    """(rank, feature) orthonormal rows that hold all people; None where nothing is gained."""
    if scaled.shape[1] <= len(scaled):
        return None
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    kept = values > 1e-12 * max(float(values[-1]), 1e-300)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T @ scaled)
