"""A bundle must earn the right to an individual number."""

from __future__ import annotations

GATE_TABLE = "gate"  # of a card's metrics
LARGEST_P = 0.05  # of the permutation test over the whole loop
LIFT = "A larger test that shows a gain would lift this"


def unearned_reason(
    gain: tuple[float, float] | None, permutation_p: float | None = None, withheld: str = ""
) -> str:
    """Why a model may show nobody a number; "" if it may.

    Three things are needed. The gain in AUROC over the best covariate-only rival has a 95 %
    interval above 0. And where labels were permuted over the whole loop, they do worse: a gain over
    covariates cannot be claimed for a model that shows no association at all. The second never
    stands for the first, as a permutation test counts confounds as associations. And the
    evaluation found nothing else that forbids it: a planned permutation test that was impossible
    is not one that was passed, and a label that goes with the site is no response.

    Parameters
    ----------
    gain
        95 % interval of the gain; None where the card states none.
    permutation_p
        None where no permutation test was planned or possible.
    withheld
        What the evaluation found against it, in whole sentences; "" for nothing.
    """
    found_against = (
        f"Withheld: {withheld} So the model shows no individual number (metrics.{GATE_TABLE})"
        if withheld
        else ""
    )
    if gain is None and found_against:
        return found_against
    if gain is None:
        return (
            "Withheld: the model's card states no gain over the best covariate-only rival "
            f"(metrics.gain_over_covariates.auroc_interval), so it shows no individual number. "
            f"{LIFT}"
        )
    low, high = gain
    if low > 0.0:
        return _not_associated(permutation_p) or found_against
    word = "includes 0" if high >= 0.0 else "lies below 0"
    return (
        f"Withheld: the model's gain in AUROC over the best covariate-only rival has a 95 % "
        f"interval of {low:.2f} to {high:.2f}, which {word} "
        f"(metrics.gain_over_covariates.auroc_interval), so it shows no individual number. {LIFT}"
    ).replace(" -0", " \N{MINUS SIGN}0")


def _not_associated(permutation_p: float | None) -> str:
    if permutation_p is None or permutation_p <= LARGEST_P:
        return ""
    return (
        f"Withheld: the permutation test of the labels (metrics.permutation.p_value "
        f"{permutation_p:.2g}) did not reach {LARGEST_P:g}, so no association was shown and "
        "the model shows no individual number. A larger test that shows one would lift this"
    )
