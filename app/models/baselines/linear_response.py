"""A linear classifier on some features of a person, as a `ResponseModel`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.linear import CLASSIFIERS, Classifier, LinearFit, fit_linear
from app.models.baselines.people import People, people_of
from app.models.baselines.rival import Rival
from app.models.baselines.storage import Stored, to_tensor

LINEAR_KEYS = ("linear.mean", "linear.weights", "linear.bias")


class LinearRival(Rival):
    """Features -> `fit_linear`; a family says only what the features of people are."""

    standardise: bool = True

    def __init__(self, classifier: str = "logistic") -> None:
        super().__init__()
        self.classifier: Classifier = known_classifier(classifier)
        self.linear: LinearFit | None = None

    @property
    def fitted(self) -> bool:
        """Whether there is anything to ask."""
        return self.linear is not None

    @abstractmethod
    def _learn_features(self, people: People, progress: Progress) -> Floats:
        """Fit whatever the features need on training people; theirs, (person, feature)."""

    @abstractmethod
    def _features(self, person: People) -> Floats:
        """(feature,) of exactly one person."""

    @abstractmethod
    def _feature_count(self, stored: Stored) -> int:
        """How many features a stored model must have."""

    def learn_features(self, people: People, progress: Progress) -> Floats:
        """Fit whatever the features need, without labels, on training people; their features.

        (person, feature), NaN where unknown. For cross-validation, which asks many fits for the
        same features; `fit` does the same and more.
        """
        return self._learn_features(people, progress)

    def features_of(self, people: People) -> Floats:
        """(person, feature) of people asked after `learn_features`, one person at a time."""
        rows = [self._features(people.rows(np.array([i]))) for i in range(len(people))]
        return np.stack(rows)

    def centred_features(self, series: Floats, connectivity: Floats, covariates: Floats) -> Floats:
        """(feature,) of one person minus the training mean; unknown values are 0."""
        self._refuse_unfitted()
        assert self.linear is not None
        people = people_of([series], connectivity[None], covariates[None], None)
        row = self._features(people)
        return np.where(np.isfinite(row), row - self.linear.mean, 0.0)

    def _learn(self, people: People, labels: Bools, seed: int, progress: Progress) -> None:
        rows = self._learn_features(people, progress)
        self.linear = fit_linear(
            rows,
            labels,
            self.classifier,
            standardise=self.standardise,
            seed=seed,
            progress=progress,
        )
        self.told = {
            "strength": self.linear.strength,
            "imputed_values": float(self.linear.imputed),
            "features": float(rows.shape[1]),
        } | self._told_features(people)

    def _told_features(self, people: People) -> dict[str, float]:
        return {}

    def _log_odds(self, person: People) -> float:
        assert self.linear is not None
        return self.linear.log_odds(self._features(person))

    def _tensors(self) -> Mapping[str, Tensor]:
        assert self.linear is not None
        return {
            "linear.mean": to_tensor(self.linear.mean),
            "linear.weights": to_tensor(self.linear.weights),
            "linear.bias": to_tensor([self.linear.bias]),
        }

    def _restore(self, stored: Stored) -> None:
        count = self._feature_count(stored)
        shapes = dict(zip(LINEAR_KEYS, ((count,), (count,), (1,)), strict=True))
        expected = {key: (shape, torch.float64) for key, shape in shapes.items()}
        arrays = stored.arrays(expected | self._more_expected(stored))
        self._restore_features(arrays)
        mean, weights, bias = (arrays[key].numpy() for key in LINEAR_KEYS)
        strength, imputed = stored.told.get("strength", 0.0), stored.told.get("imputed_values", 0.0)
        self.linear = LinearFit(mean, weights, float(bias[0]), strength, int(imputed))

    def _more_expected(self, stored: Stored) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        return {}

    def _restore_features(self, arrays: Mapping[str, Tensor]) -> None:
        return None

    def _linear_log_odds(self, features: Tensor) -> Tensor:
        """The same as `LinearFit.log_odds`, with gradients; unknown values as the mean."""
        assert self.linear is not None
        mean = torch.from_numpy(self.linear.mean).to(features)
        weights = torch.from_numpy(self.linear.weights).to(features)
        known = torch.isfinite(features)
        # Selected before the subtraction, or the gradient of an unknown value would be NaN.
        centred = torch.where(known, features, mean) - mean
        return centred @ weights + self.linear.bias


def known_classifier(name: str) -> Classifier:
    """One of `CLASSIFIERS`.

    Raises
    ------
    ModelError
        ``model.settings`` when there is no such classifier.
    """
    if name not in CLASSIFIERS:
        raise ModelError(
            f"There is no linear classifier '{name}'.",
            f"Choose one of: {', '.join(CLASSIFIERS)}.",
            code="model.settings",
        )
    return CLASSIFIERS[name]
