"""Words about a model: its treatment, its control arm, its gain. `wording` passes them on."""

from __future__ import annotations

from app.core.results import ModelSummary

NO_CONTROL_SENTENCE = (
    "No control-arm model: cannot separate drug effect from placebo or natural course."
)


NO_EXPLANATION = (
    "This model cannot be explained: it gives no gradients, or it scales each scan by itself, "
    "so that there is nothing to start from."
)
SHARES_SHAPLEY = (
    "The inputs interact: each share is a Shapley value, the input's mean effect over the orders "
    "of adding it to the mean training participant."
)


def treatment_text(model: ModelSummary) -> str:
    """Drug with dose, route and arm where the card states them."""
    stated = [part for part in (model.dose_and_route, model.arm) if part and part != "none"]
    return ", ".join([model.drug, *stated])


def control_arm_sentence(model: ModelSummary) -> str:
    """Whether a control arm was modelled, and what its absence means."""
    if not model.control_arm_modelled:
        return NO_CONTROL_SENTENCE
    return f"A control arm was modelled; comparator: {model.comparator}."


def limits_sentences(model: ModelSummary) -> str:
    """Every limit that the card states, each as a sentence; "" where it states none."""
    return " ".join(limit.rstrip(".") + "." for limit in model.limits)


def gain_text(model: ModelSummary) -> str:
    """Gain in AUROC over the best covariate-only rival; what its absence means."""
    if model.gain_interval is None:
        return "Gain over the best covariate-only rival: not measured"
    low, high = (f"{value:+.2f}".replace("-", "\N{MINUS SIGN}") for value in model.gain_interval)
    return f"Gain in AUROC over the best covariate-only rival: 95 % interval {low} to {high}"
