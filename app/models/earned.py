"""A bundle must earn the right to an individual number."""

from __future__ import annotations

LARGEST_P = 0.05  # of the permutation test over the whole loop
LIFT = "A larger test that shows a gain would lift this"


def unearned_reason(gain: tuple[float, float] | None, permutation_p: float | None = None) -> str:
    """Why a model may show nobody a number; "" if it may.

    Two things are needed. The gain in AUROC over the best covariate-only rival has a 95 % interval
    above 0. And where labels were permuted over the whole loop, they do worse: a gain over
    covariates cannot be claimed for a model that shows no association at all. The second never
    stands for the first, as a permutation test counts confounds as associations.

    Parameters
    ----------
    gain
        95 % interval of the gain; None where the card states none.
    permutation_p
        None where no permutation test was planned or possible.
    """
    if gain is None:
        return (
            "Withheld: the model's card states no gain over the best covariate-only rival "
            f"(metrics.gain_over_covariates.auroc_interval), so it shows no individual number. "
            f"{LIFT}"
        )
    low, high = gain
    if low > 0.0:
        return _not_associated(permutation_p)
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
