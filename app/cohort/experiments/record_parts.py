"""Parts of a report, one function a part of the evaluation's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.cohort.experiments.record_words import with_signs
from app.cohort.learn.primary_words import secondary_of, spread
from app.reporting.evaluation.facts import (
    CalibrationPlot,
    ConfoundCheck,
    Confusion,
    DecisionCurve,
    Estimate,
    Group,
    LearningCurve,
    Permutation,
    PlainTable,
)

Figures = Mapping[str, Any]
COVARIATE_WORDS = {
    "age_years": "age",
    "sex_female": "sex",
    "mean_fd_mm": "motion",
    "baseline_pain": "baseline pain",
}


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


def learning_of(figures: Figures) -> tuple[LearningCurve, ...]:
    """Shares of the training people, by AUROC."""
    label = figures["models"][figures["headline"]]["label"]
    return _learning(label, figures["learning_curve"], "auroc")


def change_learning_of(figures: Figures) -> tuple[LearningCurve, ...]:
    """The same of the continuous outcome, by R²; records of before have none."""
    rows = (figures["continuous"] or {}).get("learning_curve", ())
    return _learning(figures["models"][figures["headline"]]["label"], rows, "r_squared")


def _learning(label: str, rows: Sequence[Figures], name: str) -> tuple[LearningCurve, ...]:
    rows = [row for row in rows if row[f"{name}_interval"] is not None]
    if not rows:
        return ()
    return (
        LearningCurve(
            label,
            np.array([row["training_people"] for row in rows]),
            np.array([row[name] for row in rows]),
            np.array([row[f"{name}_interval"][0] for row in rows]),
            np.array([row[f"{name}_interval"][1] for row in rows]),
        ),
    )


def groups_of(kind: str, groups: Figures) -> tuple[Group, ...]:
    """Sites or sexes, by AUROC."""
    found = []
    for name, one in groups.items():
        known = one.get("auroc") is not None
        found.append(
            Group(
                kind,
                name,
                int(one["people"]),
                int(one["responders"]),
                estimate_of(one["auroc"], one["auroc_interval"]) if known else None,
                one.get("note", ""),
            )
        )
    return tuple(found)


GROUPS = (("Site", "by_site"), ("Sex", "by_sex"))


def change_groups_of(figures: Figures) -> tuple[Group, ...]:
    """Sites and sexes, by R² of the continuous outcome."""
    change = figures["continuous"] or {}
    return tuple(
        Group(
            kind,
            name,
            int(one["known"]),
            0,
            None if one.get("r_squared") is None
            else estimate_of(one["r_squared"], one["r_squared_interval"]),
            one.get("note", ""),
        )
        for kind, key in GROUPS
        for name, one in change.get(key, {}).items()
    )  # fmt: skip


def change_groups_table(figures: Figures) -> PlainTable | None:
    """R², correlation and absolute error of the continuous outcome by site and sex."""
    change = figures["continuous"] or {}
    rows = tuple(
        (
            f"{kind}: {name}", str(one["known"]),
            *(_figure(one, figure) for figure in ("r_squared", "r", "absolute_error")),
        )
        for kind, key in GROUPS
        for name, one in change.get(key, {}).items()
        if one.get("r_squared") is not None
    )  # fmt: skip
    if not rows:
        return None
    return PlainTable(
        "The change by site and sex",
        ("Group", "People", "R²", "Correlation", "Absolute error"),
        rows,
        "Out of fold, bootstrap over the group's persons. R² is the share of what the training "
        "people's line on the score before treatment leaves of these people: a group that changes "
        "more or less than the line says costs line and model alike.",
        widths=(1.4, 0.6, 1.4, 1.4, 1.4),
    )


def _figure(one: Figures, name: str) -> str:
    return spread(one[name], one[f"{name}_interval"]).replace("-", "\N{MINUS SIGN}")


def confound_checks(confounds: Figures) -> tuple[ConfoundCheck, ...]:
    """Every check as a row, flagged or not."""
    found = []
    for one in confounds["covariates"]:
        low, high = one["auroc_for_label_interval"] or (float("nan"), float("nan"))
        rho = one["correlation_with_prediction"]
        found.append(
            ConfoundCheck(
                COVARIATE_WORDS.get(one["covariate"], one["covariate"]),
                f"label: AUROC {one['auroc_for_label']:.2f} ({low:.2f} to {high:.2f})"
                + ("" if rho is None else f"; prediction: rho {rho:+.2f}"),
                one["flagged"],
                f"Model's AUROC over all folds together {one['model_auroc']:.2f}, with this taken "
                f"out of the prediction {one['model_auroc_without_it']:.2f}.",
            )
        )
    found += _change_checks(confounds.get("change") or {})
    site = confounds["site"]
    if len(site["sites"]) > 1:
        p = site["label_by_site_p_value"]
        within = site["model_auroc_within_site"]
        found.append(
            ConfoundCheck(
                "site",
                "label by site: p not possible" if p is None else f"label by site: p = {p:.2g}",
                site["flagged"],
                "No site holds both classes."
                if within is None
                else f"Model's AUROC over all folds together, within sites: {within:.2f}.",
            )
        )
    told = confounds["site_predictability"]
    if told is not None:
        found.append(
            ConfoundCheck(
                "site from the brain",
                f"AUROC {told['auroc']:.2f}",
                told["auroc"] >= 0.7 and site["flagged"],
                f"How well connectivity tells {told['site']} from the others; with a label that "
                "goes with site this is a way to be right for the wrong reason.",
            )
        )
    motion = confounds["quality_connectivity"]
    if motion is not None:
        share = motion["share_significant_uncorrected"]
        found.append(
            ConfoundCheck(
                "motion in the connectivity",
                f"{100 * share:.0f} % of connections go with motion",
                share > 0.2,
                "5 % would by chance.",
            )
        )
    return tuple(found)


def _change_checks(change: Figures) -> list[ConfoundCheck]:
    """Covariates beside the continuous outcome; records of before have none."""

    def rho(value: float | None) -> str:
        return "not possible" if value is None else f"{value:+.2f}"

    found = [
        ConfoundCheck(
            f"{COVARIATE_WORDS.get(one['covariate'], one['covariate'])}, change",
            f"change: rho {rho(one['correlation_with_change'])}; prediction: rho "
            f"{rho(one['correlation_with_prediction'])}",
            one["flagged"],
            f"Prediction with change: rho {rho(one['prediction_with_change'])}, with this taken "
            f"out of both {rho(one['prediction_with_change_without_it'])}.",
        )
        for one in change.get("covariates", ())
    ]
    by_site = change.get("change_by_site_p_value")
    if by_site is not None:
        found.append(
            ConfoundCheck(
                "site, change",
                f"change by site: p = {by_site:.2g}",
                change["site_flagged"],
                "Kruskal and Wallis' test; marked where the prediction differs by site as well.",
            )
        )
    return found


def permutation_of(found: Figures | None) -> Permutation | None:
    """The permutation test; None where there was none."""
    if found is None:
        return None
    low, high = found["permuted_range"]
    return Permutation(
        found["p_value"], int(found["permutations"]), f"within {found['within']}",
        found["auroc_one_repeat"], np.empty(0), "AUROC of one repeat", (low, high),
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def screening_of(figures: Figures) -> PlainTable | None:
    """What each cut-off would do to a trial's candidates."""
    rows = figures["screening"]
    if not rows:
        return None
    saving = figures["sample_size"]
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
                _share(row["cutoff"]), _share(row["enrolled"]), _share(row["wrongly_excluded"]),
                _share(row["response_rate_enrolled"]), _number(row["number_needed_to_screen"]),
                _number(row["candidates_per_responder"]),
            )
            for row in rows
        ),
        f"{words}{reason}. {sizes}".strip(),
        widths=(0.8, 0.9, 1.3, 1.3, 1.2, 1.3),
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
