"""What a score would do: decision curve, and screening of a trial's candidates.

Everything here is about the cohort's own out-of-fold predictions, never advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.cohort.learn.figures import Scores, interval_of
from app.core.arrays import Bools, Floats, Ints

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
PROGNOSTIC = "prognostic only, saving not estimable"


def net_benefit(probability: Floats, labels: Bools, threshold: float) -> float:
    """True minus weighted false positives, per person (Vickers and Elkin 2006)."""
    called = probability >= threshold
    count = len(labels)
    weight = threshold / (1.0 - threshold)
    return float((called & labels).sum() / count - weight * (called & ~labels).sum() / count)


def decision_curve(scores: Scores, labels: Bools, draws: Ints) -> list[dict[str, Any]]:
    """Net benefit at each threshold, beside treating all and none, with intervals over persons."""
    rows = []
    for threshold in THRESHOLDS:
        values = [net_benefit(one, labels, threshold) for one in scores.probability]
        weight = threshold / (1.0 - threshold)
        each = np.where(labels, 1.0, -weight)  # what a call is worth
        benefit = (np.where(scores.probability >= threshold, each, 0.0)).mean(axis=0)
        everyone = labels.mean() - weight * (1.0 - labels.mean())
        gain = benefit - (each if everyone > 0 else 0.0)  # over the better default of the cohort
        rows.append(
            {
                "threshold": threshold,
                "model": float(np.mean(values)),
                "model_interval": interval_of(benefit[draws].mean(axis=1)),
                "treat_all": float(everyone),
                "treat_none": 0.0,
                "over_better_default_interval": interval_of(gain[draws].mean(axis=1)),
            }
        )
    return rows


def screening(scores: Scores, labels: Bools, cutoffs: Sequence[float]) -> list[dict[str, Any]]:
    """What enrolling only people at or above each cut-off would do to a trial's candidates.

    ``wrongly_excluded`` is the share of all responders who would be kept out;
    ``number_needed_to_screen`` candidates give one who is enrolled; ``candidates_per_responder``
    give one enrolled responder. Means over repeats.
    """
    rows = []
    for cutoff in cutoffs:
        kept = scores.probability >= cutoff
        enrolled = kept.mean(axis=1)
        responders = (kept & labels).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            among = np.where(kept.any(axis=1), responders / kept.sum(axis=1), np.nan)
        share = float(enrolled.mean())
        found = float(responders.mean() / labels.size)
        rows.append(
            {
                "cutoff": float(cutoff),
                "enrolled": share,
                "wrongly_excluded": float(1.0 - (responders / labels.sum()).mean()),
                "response_rate_enrolled": _finite(float(np.nanmean(among))) if share else None,
                "response_rate_all": float(labels.mean()),
                "number_needed_to_screen": 1.0 / share if share else None,
                "candidates_per_responder": 1.0 / found if found else None,
            }
        )
    return rows


def sample_size_saving(
    scores: Scores, labels: Bools, arms: Sequence[str], control: str | None
) -> dict[str, Any]:
    """Whether a trial could be smaller; only a treatment x score interaction can say so.

    Without a control arm among the people judged a score that foretells response may foretell the
    natural course or the placebo response just as well.
    """
    place = np.asarray(arms)
    if control is None or control not in place or (place == control).all():
        return {"statement": PROGNOSTIC, "reason": "the plan names no control arm"}
    treated = place != control
    score = scores.log_odds.mean(axis=0)
    fitted = interaction(score, labels, treated)
    if fitted is None:
        return {"statement": PROGNOSTIC, "reason": "the interaction could not be fitted"}
    low, high = fitted["interval"]
    if low <= 0.0 <= high:
        return {
            "statement": PROGNOSTIC,
            "reason": "the interval of the treatment x score interaction includes 0",
            "interaction": fitted,
        }
    if high < 0.0:
        return {
            "statement": PROGNOSTIC,
            "reason": "the treatment x score interaction goes the other way: the score foretells "
            "response to the control rather than to the treatment",
            "interaction": fitted,
        }
    rows = []
    for share in (1.0, 0.75, 0.5):
        kept = score >= np.quantile(score, 1.0 - share)
        one, other = labels[kept & treated], labels[kept & ~treated]
        rows.append({"enrolled": share, "people_per_arm": people_per_arm(one, other)})
    return {
        "statement": "estimated from the treatment x score interaction of this cohort",
        "interaction": fitted,
        "sizes": rows,
    }


def interaction(score: Floats, labels: Bools, treated: Bools) -> dict[str, Any] | None:
    """Logistic regression of response on treatment, score and their product (Wald interval)."""
    unit = (score - score.mean()) / (float(score.std()) or 1.0)
    t = treated.astype(float)
    design = np.stack([np.ones_like(unit), t, unit, t * unit], axis=1)
    weights = np.zeros(4)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30, 30)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(hessian) > 1e10:
            return None
        step = np.linalg.solve(hessian, design.T @ (labels - p))
        weights = weights + np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-9:
            break
    else:
        return None
    error = float(np.sqrt(np.linalg.inv(hessian)[3, 3]))
    value = float(weights[3])
    return {"log_odds_per_sd": value, "interval": [value - 1.959964 * error,
                                                   value + 1.959964 * error]}  # fmt: skip


def people_per_arm(treated: Bools, control: Bools, power: float = 0.8) -> float | None:
    """Two-sided 5 % test of two proportions, normal approximation; None where there is no gain."""
    from scipy.stats import norm

    if not len(treated) or not len(control):
        return None
    one, other = float(treated.mean()), float(control.mean())
    if one <= other:
        return None
    reach = float(norm.ppf(0.975) + norm.ppf(power))
    spread = one * (1 - one) + other * (1 - other)
    return float(np.ceil(reach**2 * spread / (one - other) ** 2))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
