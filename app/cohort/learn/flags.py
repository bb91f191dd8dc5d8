"""What a reader must see first, in sentences."""

from __future__ import annotations

from typing import Any

from app.cohort.learn.gate import NOT_JUDGED
from app.core.wording import counted
from app.models.earned import LARGEST_P


def flags_of(figures: dict[str, Any]) -> list[str]:
    """What a reader must see first, in sentences."""
    found = []
    interval = figures["gain_over_covariates"]["auroc_interval"]
    rival = str(figures["gain_over_covariates"].get("rival", ""))
    if rival.startswith(NOT_JUDGED):
        found.append(
            f"Gain over covariates: {rival}. Nothing is said of a gain, and a bundle of this model "
            "shows no individual number outside research mode."
        )
    elif interval is None or interval[0] <= 0.0:
        found.append(
            "No gain over the best covariate-only rival was shown: the responder model's gain in "
            "AUROC has a 95 % interval that includes 0. Individual numbers come from the responder "
            "model, so a bundle of it shows none outside research mode, whatever the continuous "
            "outcome says."
        )
    found += [
        f"{one['covariate']} ranks the label by itself (AUROC {one['auroc_for_label']:.2f}) and "
        "goes with the prediction."
        for one in figures["confounds"]["covariates"]
        if one["flagged"]
    ]
    site = figures["confounds"]["site"]
    found += [
        f"Site {name} has one class only: site and label cannot be told apart there."
        for name in site.get("sites_of_one_class", [])
    ]
    if site["flagged"] and not site.get("sites_of_one_class"):
        found.append("The label goes with the site.")
    if figures["permutation"] and figures["permutation"]["p_value"] > LARGEST_P:
        found.append(
            "Permuted labels do as well: no association with the responder label was shown. A "
            "bundle of this model shows no individual number outside research mode."
        )
    change = (figures["continuous"] or {}).get("permutation")
    if change and change["p_value"] > LARGEST_P:
        found.append(
            "Permuted outcomes do as well: no association with the continuous outcome was shown."
        )
    if figures["deviations"]:
        count = len(figures["deviations"])
        found.append(
            f"{counted(count, 'deviation')} from the locked plan {'is' if count == 1 else 'are'} "
            "listed."
        )
    return found
