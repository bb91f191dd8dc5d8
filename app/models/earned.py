"""A bundle must earn the right to an individual number."""

from __future__ import annotations


def unearned_reason(gain: tuple[float, float] | None) -> str:
    """Why a model may show nobody a number, from its gain over covariates; "" if it may."""
    lift = "A larger test that shows a gain would lift this"
    if gain is None:
        return (
            "Withheld: the model's card states no gain over the best covariate-only rival "
            f"(metrics.gain_over_covariates.auroc_interval), so it shows no individual number. "
            f"{lift}"
        )
    low, high = gain
    if low > 0.0:
        return ""
    word = "includes 0" if high >= 0.0 else "lies below 0"
    return (
        f"Withheld: the model's gain in AUROC over the best covariate-only rival has a 95 % "
        f"interval of {low:.2f} to {high:.2f}, which {word} "
        f"(metrics.gain_over_covariates.auroc_interval), so it shows no individual number. {lift}"
    ).replace(" -0", " \N{MINUS SIGN}0")
