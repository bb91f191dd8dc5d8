"""Could the model live on something else? Motion, age, baseline pain, sex, site, scanner.

Each check asks three things: does the covariate go with the label, does it go with the
prediction, and what is left of the prediction once the covariate is taken out of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.cohort.learn.contender import Inputs
from app.cohort.learn.fast_logistic import fit_fast
from app.cohort.learn.figures import Scores, auroc_of, figures_of, interval_of
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.reduced import reduced
from app.core.arrays import Bools, Floats, Ints
from app.models.baselines.connections import fisher_pairs
from app.models.baselines.linear import LOGISTIC
from app.models.baselines.people import MINIMUM_PER_CLASS

SIGNIFICANT = 0.05
STRONG_AUROC = 0.60  # of a covariate alone for the label, with its interval above 0.5
KEPT_SHARE = 0.5  # of a model's AUROC above 0.5 that must survive the adjustment
FEWEST = 10


def rank_correlation_of(one: Floats, other: Floats) -> tuple[float | None, float | None]:
    """Spearman's rho and p over people in whom both are known."""
    from scipy.stats import spearmanr

    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < FEWEST or one[known].std() < 1e-12 or other[known].std() < 1e-12:
        return None, None
    found = spearmanr(one[known], other[known])
    return float(found.statistic), float(found.pvalue)


def covariate_check(
    name: str, values: Floats, scores: Floats, labels: Bools, draws: Ints
) -> dict[str, Any] | None:
    """One covariate; None where it is unknown or equal in nearly everybody.

    ``flagged`` where the covariate alone ranks the label (interval of its AUROC off 0.5 and at
    least 0.60 either way) and the prediction follows it (p < 0.05).
    """
    known = np.isfinite(values)
    if known.sum() < FEWEST or values[known].std() < 1e-12:
        return None
    filled = np.where(known, values, values[known].mean())
    area = float(auroc_of(filled[None], labels[None])[0])
    drawn = auroc_of(filled[draws], labels[draws])
    interval = interval_of(drawn)
    rho, p = rank_correlation_of(values, scores)
    adjusted = without_covariate(scores, filled)
    left = float(auroc_of(adjusted[None], labels[None])[0])
    own = float(auroc_of(scores[None], labels[None])[0])
    strong = interval is not None and (interval[0] > 0.5 or interval[1] < 0.5)
    strong = strong and max(area, 1.0 - area) >= STRONG_AUROC
    return {
        "covariate": name,
        "auroc_for_label": area,
        "auroc_for_label_interval": interval,
        "correlation_with_prediction": rho,
        "correlation_p_value": p,
        "model_auroc": own,
        "model_auroc_without_it": left,
        "flagged": bool(strong and p is not None and p < SIGNIFICANT),
    }


def without_covariate(scores: Floats, covariate: Floats) -> Floats:
    """Scores minus their regression on the covariate's rank and its square."""
    ranks = np.argsort(np.argsort(covariate)).astype(float)
    unit = (ranks - ranks.mean()) / (float(ranks.std()) or 1.0)
    design = np.stack([np.ones_like(unit), unit, unit**2], axis=1)
    fitted, *_ = np.linalg.lstsq(design, scores, rcond=None)
    return np.asarray(scores - design @ fitted)


def site_check(cohort: LabelledCohort, scores: Floats, draws: Ints) -> dict[str, Any]:
    """Sites: is one of a single class, does site carry the label, can the brain tell the site?"""
    labels, place = cohort.labels, np.asarray(cohort.sites)
    names = sorted(set(cohort.sites))
    if len(names) < 2:
        return {"sites": names, "flagged": False}
    rates = {name: float(labels[place == name].mean()) for name in names}
    one_class = [name for name in names if rates[name] in (0.0, 1.0)]
    within = np.array([rates[name] for name in cohort.sites])
    area = float(auroc_of(within[None], labels[None])[0])
    p = _chi_square(labels, place)
    own = np.array([scores[place == name].mean() for name in cohort.sites])
    return {
        "sites": names,
        "response_rates": rates,
        "sites_of_one_class": one_class,
        "label_by_site_p_value": p,
        "auroc_of_site_alone_in_sample": area,
        "prediction_by_site_p_value": site_differences(scores, place),
        "model_auroc_within_site": auroc_within(scores, labels, cohort.sites),
        "prediction_without_site_means": float(auroc_of((scores - own)[None], labels[None])[0]),
        "flagged": bool(one_class) or (p is not None and p < SIGNIFICANT),
    }


def auroc_within(scores: Floats, labels: Bools, strata: Sequence[str]) -> float | None:
    """Pairs of a responder and a non-responder of one stratum alone, ranked right."""
    place = np.asarray(strata)
    won = pairs = 0.0
    for name in np.unique(place):
        own = place == name
        one, other = scores[own & labels], scores[own & ~labels]
        if len(one) and len(other):
            difference = one[:, None] - other[None, :]
            won += float((difference > 0).sum() + 0.5 * (difference == 0).sum())
            pairs += difference.size
    return won / pairs if pairs else None


def site_predictability(cohort: LabelledCohort, seed: int) -> dict[str, Any] | None:
    """How well connectivity tells the largest site from the others, cross-validated by person.

    Without any label of response: what a model could learn of scanners.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    place = np.asarray(cohort.sites)
    names, counts = np.unique(place, return_counts=True)
    largest = names[counts.argmax()]
    target = place == largest
    if len(names) < 2 or min(target.sum(), (~target).sum()) < 2 * MINIMUM_PER_CLASS:
        return None
    rows = fisher_pairs(Inputs.of(cohort).people.connectivity)
    scores = np.empty(len(target))
    splitter = StratifiedGroupKFold(4, shuffle=True, random_state=seed)
    for inside, outside in splitter.split(rows, target, cohort.identifiers):
        small = reduced(rows[inside], rows[outside], standardise=False)
        fit = fit_fast(small.training, target[inside], LOGISTIC, standardise=False, seed=seed)
        scores[outside] = fit.log_odds(small.test)
    return {
        "site": str(largest),
        "auroc": float(auroc_of(scores[None], target[None])[0]),
        "people": int(target.sum()),
        "others": int((~target).sum()),
    }


def quality_connectivity(cohort: LabelledCohort) -> dict[str, Any] | None:
    """QC-FC: how many connections go with motion (Ciric et al. 2017, NeuroImage 154)."""
    motion = np.array([one.scan.mean_fd_mm for one in cohort.people])
    known = np.isfinite(motion)
    if known.sum() < FEWEST or motion[known].std() < 1e-12:
        return None
    rows = fisher_pairs(np.asarray(cohort.connectivity[known], float))
    there = np.isfinite(rows)
    mean = np.where(there, rows, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    rows = np.where(there, rows, mean)
    x = motion[known] - motion[known].mean()
    y = rows - rows.mean(axis=0)
    size = np.sqrt((y**2).sum(axis=0) * (x**2).sum())
    r = (x @ y) / np.maximum(size, 1e-12)
    critical = _critical_r(int(known.sum()))
    return {
        "median_absolute_correlation": float(np.median(np.abs(r))),
        "share_significant_uncorrected": float((np.abs(r) > critical).mean()),
        "share_expected_by_chance": SIGNIFICANT,
    }


def subgroup_figures(
    cohort: LabelledCohort,
    scores: Scores,
    groups: Sequence[str],
) -> dict[str, Any]:
    """Figures of each group of people (sites, sexes); those with one class say so."""
    place, found = np.asarray(groups), dict[str, Any]()
    protocol = cohort.plan.protocol
    for group in sorted(set(groups)):
        rows = np.flatnonzero(place == group)
        labels = cohort.labels[rows]
        entry: dict[str, Any] = {"people": len(rows), "responders": int(labels.sum())}
        if min(labels.sum(), (~labels).sum()) >= 2:
            rng = np.random.default_rng([protocol.seed, 505])
            draws = rng.integers(0, len(rows), (protocol.bootstrap_repeats, len(rows)))
            own = scores.rows(rows)
            entry |= figures_of(own, labels, draws, protocol.metrics, protocol.cutoff)
        else:
            entry["note"] = "too few of one class for a figure"
        found[group] = entry
    return found


def _chi_square(labels: Bools, place: np.ndarray) -> float | None:
    from scipy.stats import chi2_contingency

    names = np.unique(place)
    table = np.array(
        [[(labels & (place == n)).sum(), (~labels & (place == n)).sum()] for n in names]
    )
    if (table.sum(axis=0) == 0).any():
        return None
    return float(chi2_contingency(table, correction=False).pvalue)


def site_differences(scores: Floats, place: np.ndarray) -> float | None:
    """p of Kruskal and Wallis' test between sites; None where it cannot be computed."""
    from scipy.stats import kruskal

    groups = [scores[place == name] for name in np.unique(place) if (place == name).sum() >= 2]
    if len(groups) < 2 or float(np.ptp(np.concatenate(groups))) < 1e-12:
        return None
    return float(kruskal(*groups).pvalue)


def _critical_r(count: int) -> float:
    from scipy.stats import t as student

    value = float(student.ppf(1.0 - SIGNIFICANT / 2.0, count - 2))
    return value / float(np.sqrt(count - 2 + value**2))
