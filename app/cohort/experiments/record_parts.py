"""Parts of a report, one function a part of the evaluation's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.cohort.experiments.record_words import with_signs
from app.cohort.learn.primary_words import secondary_of
from app.reporting.evaluation.facts import (
    CalibrationPlot,
    Confusion,
    DecisionCurve,
    Estimate,
    Permutation,
    PlainTable,
)

Figures = Mapping[str, Any]


def estimate_of(value: float | None, interval: Sequence[float] | None) -> Estimate:
    """A figure and its interval, NaN where there is none."""
    if value is None:
        return Estimate(float("nan"))
    if interval is None:
        return Estimate(float(value))
    return Estimate(float(value), float(interval[0]), float(interval[1]))


def exact_interval(successes: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share; counts may be means over repeats."""
    from scipy.stats import beta

    tail = 0.5 * (1.0 - level)
    low = 0.0 if successes <= 0 else float(beta.ppf(tail, successes, count - successes + 1))
    high = (
        1.0 if successes >= count else float(beta.ppf(1 - tail, successes + 1, count - successes))
    )
    return low, high


def calibration_of(figures: Figures) -> CalibrationPlot | None:
    """Bins of the headline's probabilities with exact intervals."""
    curves = figures["curves"][figures["headline"]]
    bins = curves["calibration"]
    if not bins:
        return None
    limits = [exact_interval(one["observed"] * one["people"], one["people"]) for one in bins]
    histogram = curves["histogram"]
    both = np.array(histogram["responder"]) + np.array(histogram["non_responder"])
    return CalibrationPlot(
        np.array([one["probability"] for one in bins]),
        np.array([one["observed"] for one in bins]),
        np.array([low for low, _ in limits]),
        np.array([high for _, high in limits]),
        np.array([one["people"] for one in bins]),
        np.array(histogram["edges"]),
        both,
    )


def confusion_of(model: Figures, cohort: Figures, cutoff: float) -> Confusion | None:
    """Counts at the cut-off from sensitivity and specificity."""
    if model["sensitivity"] is None or model["specificity"] is None:
        return None
    responders = float(cohort["responders"])
    others = float(cohort["scans"]) - responders
    found, spared = model["sensitivity"] * responders, model["specificity"] * others
    return Confusion(
        found, others - spared, responders - found, spared, cutoff, "declared in the plan"
    )


def decision_of(figures: Figures) -> DecisionCurve | None:
    """Net benefit of the headline."""
    rows = figures["decision_curve"]
    if not rows:
        return None
    label = figures["models"][figures["headline"]]["label"]
    return DecisionCurve(
        np.array([row["threshold"] for row in rows]),
        np.array([row["treat_all"] for row in rows]),
        ((label, np.array([row["model"] for row in rows])),),
    )


def permutation_of(found: Figures | None) -> Permutation | None:
    """The permutation test; None where there was none."""
    if found is None:
        return None
    low, high = found["permuted_range"]
    return Permutation(
        found["p_value"], int(found["permutations"]), f"within {found['within']}",
        found["auroc_one_repeat"], np.empty(0), "AUROC of one repeat", (low, high),
    )  # fmt: skip


def change_permutation_of(change: Figures | None) -> Permutation | None:
    """The same of the continuous outcome; None where there was none."""
    found = (change or {}).get("permutation")
    if not found:
        return None
    low, high = found["permuted_range"]
    statistic = "R²" if found["statistic"] == "r_squared" else "correlation"
    return Permutation(
        found["p_value"], int(found["permutations"]), f"within {found['within']}",
        found["value_one_repeat"], np.empty(0), f"{statistic} of one repeat", (low, high),
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _of(share: float | None, count: float) -> str:
    """A share of so many people with its exact interval; counts may be means over repeats."""
    if share is None or count <= 0:
        return "–"
    low, high = exact_interval(share * count, count)
    return f"{_share(share)} ({100 * low:.0f} to {100 * high:.0f} %)"


def screening_of(figures: Figures) -> PlainTable | None:
    """What each cut-off would do to a trial's candidates."""
    rows = figures["screening"]
    if not rows:
        return None
    saving, cohort = figures["sample_size"], figures["cohort"]
    words = saving["statement"][:1].upper() + saving["statement"][1:]
    reason = f" ({saving['reason']})" if saving.get("reason") else ""
    sizes = "; ".join(
        f"enrolling {100 * one['enrolled']:.0f} %: "
        + (
            "no difference between arms to find"
            if one["people_per_arm"] is None
            else f"{one['people_per_arm']:.0f} people an arm"
        )
        for one in saving.get("sizes", [])
    )
    return PlainTable(
        "Screening figures for a trial",
        ("Cut-off", "Enrolled", "Responders wrongly excluded", "Response rate among enrolled",
         "Number needed to screen", "Candidates for one responder"),
        tuple(
            (
                _share(row["cutoff"]), _share(row["enrolled"]),
                _of(row["wrongly_excluded"], cohort["responders"]),
                _of(row["response_rate_enrolled"], row["enrolled"] * cohort["people"]),
                _number(row["number_needed_to_screen"]),
                _number(row["candidates_per_responder"]),
            )
            for row in rows
        ),
        f"{words}{reason}. {sizes} Exact 95 % intervals of the shares, people held fixed as they "
        "were predicted.",
        widths=(0.7, 0.8, 1.7, 1.7, 1.1, 1.2),
    )  # fmt: skip


def conformal_of(found: Figures | None) -> PlainTable | None:
    """Shares of the sets, coverage, and what its size allows."""
    if not found:
        return None
    low, high = found["coverage_expected_interval"]
    share = found["share"]
    return PlainTable(
        "Conformal sets",
        ("Level", "{R}", "{NR}", "{both}", "{}", "Covered", "Expected range", "Singletons right"),
        (
            (
                _share(found["level"]), _share(share["{R}"]), _share(share["{NR}"]),
                _share(share["{both}"]), _share(share["{}"]), _share(found["coverage"]),
                f"{100 * low:.0f} to {100 * high:.0f} %", _share(found["singletons_right"]),
            ),
        ),
        "{both} is printed as indeterminate, a normal result. Expected range: what the coverage "
        "of one calibration set of this size "
        f"({found['calibration_people_of_the_smaller_class']} people of the smaller class) may "
        "realise in 95 of 100 cases. A singleton is right less often than the level says.",
        widths=(0.7, 0.7, 0.7, 0.8, 0.6, 0.9, 1.2, 1.1),
    )  # fmt: skip


def more_tables(figures: Figures) -> list[PlainTable]:
    """Sites left out."""
    found = []
    if figures["leave_one_site_out"]:
        sites = tuple(
            (
                figures["models"].get(name, {}).get("label", name), str(one["people"]),
                _with_interval(one),
            )
            for name, one in figures["leave_one_site_out"].items()
        )  # fmt: skip
        found.append(
            PlainTable(
                "Each site left out in turn", ("Model or baseline", "People", "AUROC"), sites,
                "People of sites that the model was not trained on.",
            )
        )  # fmt: skip
    return found


def definitions_of(figures: Figures) -> PlainTable | None:
    """Every responder definition of the plan, the one that labels were learnt by first."""
    learnt = figures["plan"]["responder"]["definition"]
    model = figures["models"][figures["headline"]]
    cohort = figures["cohort"]
    first = (
        with_signs(learnt), str(cohort["scans"]), str(cohort["responders"]),
        _with_interval(model), "labels that the responder model learnt",
    )  # fmt: skip
    rows = tuple(
        (
            with_signs(text), str(one["people"]), str(one["responders"]),
            _with_interval(one), one["note"],
        )
        for text, one in secondary_of(figures)
    )  # fmt: skip
    if not rows:
        return None
    return PlainTable(
        "Responder definitions of the plan",
        ("Definition", "People", "Responders", "AUROC", "Note"),
        (first, *rows), align="lrrrl", widths=(1.5, 0.7, 0.9, 1.4, 2.2),
    )  # fmt: skip


def _with_interval(one: Figures) -> str:
    if one.get("auroc") is None:
        return "–"
    interval = one["auroc_interval"]
    if interval is None:
        return f"{one['auroc']:.2f}"
    return f"{one['auroc']:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
