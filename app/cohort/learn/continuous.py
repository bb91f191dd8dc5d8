"""The continuous outcome: ridge regression of the baseline-adjusted improvement.

The adjustment is an analysis of covariance: a line of improvement on the score before treatment,
fitted on training people; what it leaves is learnt and predicted (Vickers and Altman 2001, BMJ
323). Without a score before treatment the improvement itself is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats, Ints
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
    losses = np.zeros(len(PENALTIES))
    for inside, validation in inner:
        for place, penalty in enumerate(PENALTIES):
            base = None if baseline is None else baseline[inside]
            adjust = Adjustment.fit(improvement[inside], base)
            found = _ridge(
                training[inside], adjust.left(improvement[inside], base),
                training[validation], penalty, standardise,
            )  # fmt: skip
            other = None if baseline is None else baseline[validation]
            off = found - adjust.left(improvement[validation], other)
            losses[place] += float(np.nansum(off**2))
    penalty = PENALTIES[int(np.flatnonzero(losses <= losses.min() + 1e-12)[-1])]
    adjust = Adjustment.fit(improvement, baseline)
    return ContinuousAnswer(
        _ridge(training, adjust.left(improvement, baseline), test, penalty, standardise),
        adjust.left(test_improvement, test_baseline),
    )


def _ridge(
    training: Floats, target: Floats, test: Floats, penalty: float, standardise: bool
) -> Floats:
    known = np.isfinite(target)
    scaling = fit_scaling(training[known], standardise=standardise)
    rows, asked = scaling.apply(training[known]), scaling.apply(test)
    middle = float(target[known].mean())
    kernel = rows @ rows.T
    weights = np.linalg.solve(
        kernel + penalty * len(rows) * np.eye(len(rows)), target[known] - middle
    )
    return np.asarray(asked @ (rows.T @ weights) + middle)
