"""How far an explanation can be trusted, and how far the number itself moves under other choices.

Both are computed on request, after the first maps are shown, and kept in the case. Everything
is in log-odds before calibration. A health figure says nothing about cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats

# A parcel whose spread over repeats is as large as its value has a stability of 0.5: its sign
# and rank could as well be another's.
STABILITY_LIMIT = 0.5
# A map that a model with random weights or shuffled labels reproduces this well shows the
# input, not what was learned: half of the variance of the ranks (0.7 squared) is shared.
SANITY_LIMIT = 0.7

BASELINES = "baselines"
WINDOWS = "windows"
TOKEN_ORDERS = "token orders"
HALVES = "split halves"
REPEAT_KINDS = (BASELINES, WINDOWS, TOKEN_ORDERS, HALVES)
OWN_BASELINE = "zero series and mean matrix (a)"  # method (a)'s; its map stands with (a)
RANDOM_WEIGHTS = "random weights"
SHUFFLED_LABELS = "shuffled labels"


@dataclass(frozen=True, slots=True)
class Repeat:
    """The map of the same scan under another choice that should not matter."""

    kind: str  # one of REPEAT_KINDS
    name: str
    per_parcel: Floats  # (parcel,)
    agreement: float  # Spearman correlation over parcels with the map as shown
    connections_agreement: float  # the same over connections
    output_difference: float  # f(x) - f(baseline), log-odds
    completeness_error: float  # |sum - (f(x) - f(baseline))|, log-odds
    nodes: int
    # Of a reference alone, whose map can be drawn; None where it is not kept (older cases).
    per_pair: Floats | None = None  # (pair,) connections, the upper triangle row by row
    per_parcel_frame: Floats | None = None  # (parcel, frame), of the series


@dataclass(frozen=True, slots=True)
class Spread:
    """What repeats other than the baselines' deviate by: whichever baseline is drawn, it stays."""

    per_parcel: Floats  # (parcel,), sum over the other kinds of their mean squares, log-odds²
    per_pair: Floats  # (pair,), the same of connections
    kinds: int  # how many kinds of repeats there are, the baselines included


@dataclass(frozen=True, slots=True)
class SanityCheck:
    """How alike the map is to that of models which know nothing of the label; low is right."""

    kind: str  # RANDOM_WEIGHTS or SHUFFLED_LABELS
    name: str
    similarity: float  # Spearman correlation of magnitudes over parcels, mean over models
    models: int

    @property
    def passed(self) -> bool:
        """Whether the map differs enough from theirs."""
        return abs(self.similarity) < SANITY_LIMIT


@dataclass(frozen=True, slots=True)
class UnivariateRow:
    """One feature looked at alone, in the training participants; no number of a person."""

    feature: str  # a network, or "network - network"
    difference: float  # responders minus others, in pooled standard deviations (Hedges' g)
    pattern: float  # covariance of feature and model output over that output's SD (Haufe 2014)


@dataclass(frozen=True, slots=True)
class ExplanationHealth:
    """Agreement of (b) over repeats, what is unstable in it, and sanity checks."""

    repeats: tuple[Repeat, ...]
    stability: Floats  # (parcel,), 0..1: |value| / (|value| + spread over repeats)
    connection_stability: Floats  # (parcel, parcel), symmetric
    sanity: tuple[SanityCheck, ...]
    univariate: tuple[UnivariateRow, ...]
    univariate_text: str  # what the ranking is, or why there is none
    missing: tuple[str, ...]  # what could not be computed, with the reason
    limit: float = STABILITY_LIMIT
    elsewhere: Spread | None = None  # None in older cases: the maps of baselines are not kept

    @property
    def unstable(self) -> Bools:
        """(parcel,) True where the spread over repeats is too large: hatched, in no list."""
        return np.asarray(~(self.stability >= self.limit))

    @property
    def unstable_connections(self) -> Bools:
        """(parcel, parcel), as `unstable`."""
        return np.asarray(~(self.connection_stability >= self.limit))

    def of_kind(self, kind: str) -> tuple[Repeat, ...]:
        """The repeats of one kind."""
        return tuple(one for one in self.repeats if one.kind == kind)


def keeps_baselines(health: ExplanationHealth) -> bool:
    """Whether the map of every baseline is there to be drawn; older cases kept figures only."""
    return health.elsewhere is not None


@dataclass(frozen=True, slots=True)
class Variant:
    """The number of the same scan under one other choice: a marked hypothetical."""

    group: str  # such as "global signal"
    name: str
    log_odds: float | None  # None where it could not be computed
    note: str = ""  # the reason, or what the reader must know


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far the uncalibrated log-odds move under choices of the analysis."""

    as_made: float
    cutoff: float  # the model's cut-off in the same log-odds
    variants: tuple[Variant, ...]

    @property
    def computed(self) -> tuple[Variant, ...]:
        """The variants that have a number."""
        return tuple(one for one in self.variants if one.log_odds is not None)

    @property
    def crossing(self) -> tuple[Variant, ...]:
        """The variants that lie on the other side of the cut-off."""
        side = self.as_made >= self.cutoff
        return tuple(
            one
            for one in self.computed
            if one.log_odds is not None and (one.log_odds >= self.cutoff) != side
        )
