"""The continuous outcome: ridge regression of the baseline-adjusted improvement.

The adjustment is an analysis of covariance: a line of improvement on the score before treatment,
fitted on training people; what it leaves is learnt and predicted (Vickers and Altman 2001, BMJ
323). Without a score before treatment the improvement itself is learnt. The rival that knows the
score before treatment alone therefore predicts 0 for everybody.

Models that answer with log-odds alone (networks) are mapped: a line of what the adjustment leaves
on the log-odds that inner folds gave, as calibration maps the same log-odds to probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats, Ints
from app.models.baselines.linear import fit_scaling

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # for rows of mean squared length 1, times n


@dataclass(frozen=True, slots=True)
class ContinuousAnswer:
    """One outer fold's test rows."""

    predicted: Floats  # (test row,) adjusted improvement, by people of the training side
    target: Floats  # (test row,) what was to be predicted; NaN where unknown


@dataclass(frozen=True, slots=True)
class Adjustment:
    """improvement = intercept + slope * (baseline - centre), of training people."""

    intercept: float
    slope: float
    centre: float

    @classmethod
    def fit(cls, improvement: Floats, baseline: Floats | None) -> Adjustment:
        """Least squares on people in whom both are known."""
        known = np.isfinite(improvement)
        if baseline is None:
            return cls(float(improvement[known].mean()), 0.0, 0.0)
        known &= np.isfinite(baseline)
        x, y = baseline[known], improvement[known]
        centre, spread = float(x.mean()), float(((x - x.mean()) ** 2).sum())
        slope = float(((x - centre) * y).sum() / spread) if spread > 1e-12 else 0.0
        return cls(float(y.mean()), slope, centre)

    def left(self, improvement: Floats, baseline: Floats | None) -> Floats:
        """What the baseline does not explain."""
        if baseline is None:
            return improvement - self.intercept
        return np.asarray(improvement - self.intercept - self.slope * (baseline - self.centre))


@dataclass(frozen=True, slots=True)
class Ridge:
    """All ridge regressions on one set of rows, for any target and penalty."""

    values: Floats  # (k,) eigenvalues of the rows' kernel
    vectors: Floats  # (row, k)
    cross: Floats  # (asked row, k) kernel of asked rows and rows, in those vectors

    @classmethod
    def of(cls, rows: Floats, asked: Floats, *, standardise: bool) -> Ridge:
        """Scaled and centred by `rows` alone."""
        scaling = fit_scaling(rows, standardise=standardise)
        inside, outside = scaling.apply(rows), scaling.apply(asked)
        values, vectors = np.linalg.eigh(inside @ inside.T)
        return cls(np.maximum(values, 0.0), vectors, (outside @ inside.T) @ vectors)

    def predict(self, target: Floats, penalty: float) -> Floats:
        """(asked row,) by a fit on `target` (row,)."""
        middle = float(target.mean())
        along = self.vectors.T @ (target - middle)
        return np.asarray(self.cross @ (along / (self.values + penalty * len(target))) + middle)


@dataclass(frozen=True, slots=True)
class Regressions:
    """One outer fold's regressions: no outcome has a part in them but whose is known."""

    outer: Ridge
    inner: tuple[tuple[Ints, Ints, Ridge], ...]  # training and validation positions
    known: Bools  # (training row,)

    @classmethod
    def of(
        cls,
        training: Floats,
        test: Floats,
        inner: Sequence[tuple[Ints, Ints]],
        known: Bools,
        *,
        standardise: bool,
    ) -> Regressions:
        """Prepared once, asked for many outcomes of the same people."""
        parts = []
        for inside, validation in inner:
            taught = inside[known[inside]]
            ridge = Ridge.of(training[taught], training[validation], standardise=standardise)
            parts.append((taught, validation, ridge))
        outer = Ridge.of(training[known], test, standardise=standardise)
        return cls(outer, tuple(parts), known)

    def answer(
        self,
        improvement: Floats,
        test_improvement: Floats,
        baseline: Floats | None,
        test_baseline: Floats | None,
    ) -> ContinuousAnswer:
        """The penalty by the inner folds, then the test rows."""
        losses = np.zeros(len(PENALTIES))
        for inside, validation, ridge in self.inner:
            adjust = Adjustment.fit(improvement[inside], _rows(baseline, inside))
            wanted = adjust.left(improvement[validation], _rows(baseline, validation))
            target = adjust.left(improvement[inside], _rows(baseline, inside))
            for place, penalty in enumerate(PENALTIES):
                off = ridge.predict(target, penalty) - wanted
                losses[place] += float(np.nansum(off**2))
        penalty = PENALTIES[int(np.flatnonzero(losses <= losses.min() + 1e-12)[-1])]
        adjust = Adjustment.fit(improvement, baseline)
        target = adjust.left(improvement, baseline)[self.known]
        return ContinuousAnswer(
            self.outer.predict(target, penalty), adjust.left(test_improvement, test_baseline)
        )


def known_rows(improvement: Floats, baseline: Floats | None) -> Bools:
    """(row,) whether the adjusted improvement is known."""
    found = np.isfinite(improvement)
    return np.asarray(found if baseline is None else found & np.isfinite(baseline), np.bool_)


def answer_continuous(
    training: Floats,
    test: Floats,
    improvement: Floats,
    test_improvement: Floats,
    baseline: Floats | None,
    test_baseline: Floats | None,
    inner: Sequence[tuple[Ints, Ints]],
    *,
    standardise: bool = False,
) -> ContinuousAnswer:
    """Predict one outer fold's test rows.

    Parameters
    ----------
    training, test
        (row, column) features; NaN where unknown.
    improvement, baseline
        Of the training rows.
    test_improvement, test_baseline
        Of the test rows; for the target alone.
    inner
        Positions within the training rows, for the choice of the penalty.
    standardise
        As in `Reduced`.
    """
    known = known_rows(improvement, baseline)
    fold = Regressions.of(training, test, inner, known, standardise=standardise)
    return fold.answer(improvement, test_improvement, baseline, test_baseline)


def mapped_continuous(
    inner_log_odds: Floats,
    test_log_odds: Floats,
    improvement: Floats,
    test_improvement: Floats,
    baseline: Floats | None,
    test_baseline: Floats | None,
) -> ContinuousAnswer:
    """Log-odds of a responder model as adjusted improvement, by a line with a slope of 0 or more.

    Parameters
    ----------
    inner_log_odds, improvement, baseline
        Of the training rows; the log-odds by models of inner folds that did not see the person.
    test_log_odds, test_improvement, test_baseline
        Of the test rows.
    """
    adjust = Adjustment.fit(improvement, baseline)
    target = adjust.left(improvement, baseline)
    known = np.isfinite(target)
    x, y = inner_log_odds[known], target[known]
    spread = float(((x - x.mean()) ** 2).sum())
    slope = max(float(((x - x.mean()) * y).sum()) / spread, 0.0) if spread > 1e-12 else 0.0
    predicted = float(y.mean()) + slope * (test_log_odds - float(x.mean()))
    if slope == 0.0:
        predicted = np.full(len(test_log_odds), float(y.mean()))
    return ContinuousAnswer(
        np.asarray(predicted, float), adjust.left(test_improvement, test_baseline)
    )


def _rows(values: Floats | None, index: Ints) -> Floats | None:
    return None if values is None else values[index]
