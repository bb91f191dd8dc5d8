"""What a reader must see first, in sentences."""

from __future__ import annotations

from typing import Any

from app.cohort.learn.gate import NOT_JUDGED
from app.core.wording import counted, signed
from app.models.earned import LARGEST_P

FEWEST_FOLDS = 10


def too_few_permutations(permutations: int) -> str:
    """That a plan's permutations can never reach `LARGEST_P`, in a sentence; "" where they can.

    The smallest p of m permutations is 1 / (m + 1) (Phipson and Smyth 2010), so 19 are needed.
    """
    smallest = 1.0 / (permutations + 1)
    if permutations == 0 or smallest <= LARGEST_P:
        return ""
    return (
        f"Too few permutations to reach {LARGEST_P:g} (the smallest possible p of {permutations} "
        f"is {smallest:.2g}; {round(1 / LARGEST_P) - 1} are needed, better 200)"
    )


def too_few_folds(splits: dict[str, Any]) -> str:
    """That intervals of differences rest on few folds, in a sentence; "" where there are enough."""
    count = int(splits["outer_folds"]) * int(splits["repeats"])
    if count >= FEWEST_FOLDS:
        return ""
    return (
        f"Only {count} outer folds in all: the corrected test is rough with so few, and intervals "
        "of R² and of differences between models may reach to all that a figure can be, where they "
        "are cut; plan more repeats (20 are usual)."
    )


def pooled_arms(figures: dict[str, Any]) -> str:
    """That people of several arms are judged as one, in a sentence; "" where they are of one."""
    arms = figures.get("by_arm") or {}
    if not arms:
        return ""
    told = "; ".join(
        f"{name or 'no arm'}: {one['people']} people, {one['responders']} responders"
        for name, one in arms.items()
    )
    return f"People of {len(arms)} arms are pooled ({told}), and no model here knows the arm."


def _not_shown(test: dict[str, Any], what: str, outcome: str) -> str:
    """Why the permutation test shows no association."""
    count, p = int(test["permutations"]), float(test["p_value"])
    few = too_few_permutations(count)
    if few:
        return f"{few}: no association with the {outcome} could be shown."
    reached = round(p * (count + 1)) - 1
    return (
        f"{reached} of {count} times permuted {what} do as well (p = {p:.2g}): no association with "
        f"the {outcome} was shown."
    )


def flags_of(figures: dict[str, Any]) -> list[str]:
    """What a reader must see first, in sentences."""
    found = []
    if pooled := pooled_arms(figures):
        found.append(f"{pooled} The score is prognostic, of response whatever was given.")
    interval = figures["gain_over_covariates"]["auroc_interval"]
    judged = not str(figures["gain_over_covariates"]["rival"]).startswith(NOT_JUDGED)
    if judged and (interval is None or interval[0] <= 0.0):
        below = interval is not None and interval[1] < 0.0
        found.append(
            "No gain over the best covariate-only rival was shown: the responder model's gain in "
            + ("AUROC has no interval. " if interval is None else "AUROC has a 95 % interval that ")
            + ("" if interval is None else "lies below 0. " if below else "includes 0. ")
            + "Individual numbers come from the responder "
            "model, so a bundle of it shows none outside research mode, whatever the continuous "
            "outcome says."
        )
    found += [
        f"{one['covariate']} ranks the label by itself (AUROC {one['auroc_for_label']:.2f}) and "
        "goes with the prediction."
        for one in figures["confounds"]["covariates"]
        if one["flagged"]
    ]
    change_checks = figures["confounds"].get("change") or {}
    found += [
        f"{one['covariate']} goes with the change (rho {signed(one['correlation_with_change'])}) "
        "and with its prediction."
        for one in change_checks.get("covariates", [])
        if one["flagged"]
    ]
    if change_checks.get("site_flagged"):
        found.append("The change goes with the site, and so does its prediction.")
    site = figures["confounds"]["site"]
    found += [
        f"Site {name} has one class only: site and label cannot be told apart there."
        for name in site.get("sites_of_one_class", [])
    ]
    if site["flagged"] and not site.get("sites_of_one_class"):
        found.append("The label goes with the site.")
    if figures["permutation"] and figures["permutation"]["p_value"] > LARGEST_P:
        found.append(
            _not_shown(figures["permutation"], "labels", "responder label")
            + " A bundle of this model shows no individual number outside research mode."
        )
    found += [
        f"{text} A bundle of this model shows no individual number outside research mode."
        for text in figures["withheld"]
    ]
    change = (figures["continuous"] or {}).get("permutation")
    if change and change["p_value"] > LARGEST_P:
        found.append(_not_shown(change, "outcomes", "continuous outcome"))
    if few := too_few_folds(figures["splits"]):
        found.append(few)
    if figures["deviations"]:
        count = len(figures["deviations"])
        found.append(
            f"{counted(count, 'deviation')} from the locked plan {'is' if count == 1 else 'are'} "
            "listed."
        )
    return found
