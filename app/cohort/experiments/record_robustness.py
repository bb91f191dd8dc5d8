"""Parts of a report on robustness: learning curves, sites and sexes, confounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.cohort.experiments.record_parts import Figures, estimate_of
from app.cohort.learn.primary_words import spread
from app.core.wording import signed
from app.reporting.evaluation.facts import ConfoundCheck, Group, LearningCurve, PlainTable

COVARIATE_WORDS = {
    "age_years": "age",
    "sex_female": "sex",
    "mean_fd_mm": "motion",
    "baseline_pain": "baseline pain",
}


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
    """Sites, sexes or arms, by AUROC."""
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


GROUPS = (("Site", "by_site"), ("Sex", "by_sex"), ("Arm", "by_arm"))


def change_groups_of(figures: Figures) -> tuple[Group, ...]:
    """Sites, sexes and arms, by R² of the continuous outcome."""
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
                + ("" if rho is None else f"; prediction: rho {signed(rho, 2)}"),
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
        return "not possible" if value is None else signed(value, 2)

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
