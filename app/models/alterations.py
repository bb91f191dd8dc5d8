"""The same scan through an altered model: other token orders, random weights, shuffled labels.

Explanation health compares maps of these with the map as shown. What a bundle cannot give is
told in a sentence, never left out in silence.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from app.core.arrays import Floats
from app.core.explanation_health import (
    RANDOM_WEIGHTS,
    SHUFFLED_LABELS,
    TOKEN_ORDERS,
    UnivariateRow,
)
from app.core.progress import Progress
from app.core.results import CleanSignals, Connectome
from app.models.answer import ScanModel, as_numpy
from app.models.bundle import Bundle
from app.models.device import fixed_threads
from app.models.series_encoder import restart

COUNTS = {TOKEN_ORDERS: 2, RANDOM_WEIGHTS: 2, SHUFFLED_LABELS: 3}
_ABSENT = {
    TOKEN_ORDERS: "Other token orders: this model's series encoder has no order of tokens.",
    RANDOM_WEIGHTS: "Random weights: this architecture cannot be started anew.",
    SHUFFLED_LABELS: "Shuffled labels: the model's file holds no models fitted on shuffled labels.",
}
UNIVARIATE_TEXT = (
    "Each feature alone, in the training participants: difference between responders and others "
    "(Hedges' g), and covariance of the feature with the model's output (Haufe et al. 2014)."
)
NO_UNIVARIATE = "No univariate ranking: the model's file holds no class differences of features."


@runtime_checkable
class Alterable(Protocol):
    """A scan model that can be altered for health checks."""

    def altered(self, kind: str, number: int) -> ScanModel | None:
        """The model with the `number`-th alteration of a kind; None where there is none."""


def altered_models(model: ScanModel, kind: str) -> Iterator[tuple[int, ScanModel]]:
    """Number (from 0) and model of each alteration that exists, at most `COUNTS` of a kind."""
    for number in range(COUNTS[kind]):
        found = (
            model.altered(kind, number)
            if isinstance(model, Alterable)
            else altered_response(model, kind, number)
        )
        if found is not None:
            yield number, found


def log_odds_of(
    model: ScanModel, signals: CleanSignals, connectome: Connectome, covariates: Floats
) -> float:
    """What a model says of one scan, before calibration; one window at a time."""
    with fixed_threads(), torch.no_grad():
        return float(model.answer(signals, connectome, covariates, 1, Progress()).log_odds)


def absent_text(kind: str) -> str:
    """Why there is no alteration of this kind."""
    return _ABSENT[kind]


def altered_response(model: Any, kind: str, number: int) -> ScanModel | None:
    """A `FittedResponse` whose trained modules are started anew, or fed in another order."""
    inner: Any = getattr(model, "model", None)
    members = getattr(getattr(inner, "fitted", None), "members", ())
    modules = [one for one in members if isinstance(one, nn.Module)]
    if not modules:
        return None
    fresh: Any = copy.deepcopy(inner)
    if kind == RANDOM_WEIGHTS:
        for place, member in enumerate(fresh.fitted.members):
            restart(member, 1000 * number + place)
    elif kind == TOKEN_ORDERS and getattr(inner, "orders", None) is not None:
        orders = np.asarray(inner.orders)
        rng = np.random.default_rng([number, 41])
        fresh.orders = np.stack([rng.permutation(orders.shape[-1]) for _ in np.atleast_2d(orders)])
        fresh.orders = fresh.orders.astype(orders.dtype).reshape(orders.shape)
    else:
        return None
    altered = copy.copy(model)
    object.__setattr__(altered, "model", fresh)
    return altered  # type: ignore[no-any-return]


def univariate_rows(bundle: Bundle, networks: tuple[str, ...]) -> tuple[UnivariateRow, ...]:
    """Networks and pairs of networks by themselves, the largest difference first.

    Parameters
    ----------
    networks
        One name a parcel, as the scan's atlas has them.
    """
    series = bundle.tensors.get("univariate.series")
    pairs = bundle.tensors.get("univariate.connectivity")
    if series is None or pairs is None:
        return ()
    numbers = bundle.tensors["network_of_parcel"].tolist()
    names = dict(zip(numbers, networks, strict=True))
    first, second = np.triu_indices(series.shape[1], 1)
    labels = [f"{names[i]} (series)" for i in range(series.shape[1])]
    labels += [f"{names[int(a)]} – {names[int(b)]}" for a, b in zip(first, second, strict=True)]
    values = as_numpy(torch.cat([series, pairs], dim=1))
    rows = [
        UnivariateRow(label, float(g), float(pattern))
        for label, g, pattern in zip(labels, values[0], values[1], strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -abs(row.difference)))
