"""The answer of an evaluation in sentences, the primary outcome first: the same words everywhere.

From the record alone, so that terminal, window and report say one thing; imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.wording import counted

Figures = Mapping[str, Any]
CONTINUOUS, RESPONDER = "continuous", "responder"
BASELINE_ONLY = "baseline-only"
INTERVALS = (
    "95 % intervals of models and of differences between them: on each side the wider of a "
    "bootstrap over persons and of the corrected repeated-CV test (cut at what a figure can be), "
    "which counts that models vary with their training people; still approximate: of simulated "
    "cohorts without anything to learn 9 to 17 of 100 leave the truth out, not 5; of calibration, "
    "sensitivity, sites, sexes, arms, curves and definitions beside the first: the bootstrap "
    "alone, which holds the models fixed and is too narrow"
)


def is_continuous(figures: Figures) -> bool:
    """Whether the continuous outcome leads; records of older versions lead with the responder."""
    return (figures.get("primary") or {}).get("outcome") == CONTINUOUS


def spread(value: float | None, interval: Any, form: str = ".2f") -> str:
    """A figure with its interval, "0.12 (0.01 to 0.25)"; "n/a" where it is unknown."""
    if value is None:
        return "n/a"
    shown = [f"{one:{form}}" for one in (value, *(interval or ()))]  # "-0.00" is below 0
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if interval else shown[0]


def p_text(value: float) -> str:
    """ "p = 0.012"; no p is 0."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def corrected_text(test: Mapping[str, float] | None) -> str:
    """p of the corrected repeated-CV test, or why there is none."""
    return p_text(test["p_value"]) if test else "not possible: too few folds, or none differed"


def above_zero(low: float | None) -> bool:
    """Whether the lower limit of an R² or a gain is above 0 in the digits that are printed."""
    return low is not None and round(low, 2) > 0.0


def below_zero(high: float | None) -> bool:
    """Whether the upper limit is below 0 in the digits that are printed."""
    return high is not None and round(high, 2) < 0.0


def reaches_zero(low: float | None, high: float | None = None) -> str:
    """What an interval that is not clear of 0 does: "includes 0", or ends there as printed."""
    if low is not None and low > 0.0:
        return "begins at 0"
    return "ends at 0" if high is not None and high < 0.0 else "includes 0"


def continuous_lines(figures: Figures) -> list[str]:
    """The continuous outcome of the headline model, in sentences; [] where there is none."""
    found = figures.get("continuous")
    if not found or "comparisons" not in found:
        return []
    one, alone = found["models"][found["headline"]], found["models"][BASELINE_ONLY]
    gained = found["comparisons"][BASELINE_ONLY]
    explained = gained["r_squared"]
    beyond = f"beyond the {alone['label'][:1].lower()}{alone['label'][1:]}"
    shown = explained["interval"] and above_zero(explained["interval"][0])
    lines = [
        f"{one['label']} ({one['by']}): R\N{SUPERSCRIPT TWO} "
        f"{spread(explained['difference'], explained['interval'], '+.2f')} {beyond}"
        + ("." if shown else ": nothing beyond it is shown."),
        f"Correlation {spread(one['r'], one['r_interval'], '+.2f')}; mean absolute error "
        f"{spread(one['absolute_error'], one['absolute_error_interval'])} against "
        f"{alone['absolute_error']:.2f}, difference "
        + spread(gained["absolute_error"]["difference"], gained["absolute_error"]["interval"],
                 "+.2f") + ".",
    ]  # fmt: skip
    if found.get("known", 0) < found.get("people", 0):
        lines.append(
            f"The change is known of {found['known']} of {found['people']} people; these figures "
            "are of them alone."
        )
    test = explained["corrected_test"]
    of_what = " of R\N{SUPERSCRIPT TWO}" if test else ""
    lines.append(f"Corrected repeated-CV test{of_what}: {corrected_text(test)}.")
    permuted = found.get("permutation")
    if permuted:
        lines.append(
            f"Permutation over the whole loop: {p_text(permuted['p_value'])} ({permuted['words']})."
        )
    elif why := not_permuted(figures):
        lines.append(f"Permutation over the whole loop: not possible. {why}")
    lines += _over_covariates(found, beyond)
    return lines


def change_table(figures: Figures) -> dict[str, Any]:
    """The headline's figures of the continuous outcome for a card; {} where there is none."""
    found = figures.get("continuous")
    if not found:
        return {}
    one, gained = found["models"][found["headline"]], found["comparisons"][BASELINE_ONLY]
    table = {
        "outcome": figures["primary"]["words"] if is_continuous(figures) else found["outcome"],
        "role": "primary" if is_continuous(figures) else "secondary",
        "by": one["by"],
        "r_squared": gained["r_squared"]["difference"],
        "r_squared_interval": gained["r_squared"]["interval"],
        "absolute_error": one["absolute_error"],
        "absolute_error_interval": one["absolute_error_interval"],
        "absolute_error_of_the_score_before_alone": found["models"][BASELINE_ONLY][
            "absolute_error"
        ],
        "people": float(found["known"]),
    }
    if found.get("permutation"):
        table["p_value"] = found["permutation"]["p_value"]
    return {name: value for name, value in table.items() if value is not None}


def _over_covariates(found: Figures, beyond: str) -> list[str]:
    rival = found["gain_over_covariates"]
    if not rival["of"]:
        return []
    if rival["rival"] == BASELINE_ONLY:
        return [f"No covariate-only rival ({', '.join(rival['of'])}) explains anything {beyond}."]
    gain, named = rival["r_squared"], found["models"][rival["rival"]]["label"]
    return [
        f"Over the best covariate-only rival ({named}): R\N{SUPERSCRIPT TWO} "
        f"{spread(gain['difference'], gain['interval'], '+.2f')}."
    ]


def secondary_of(figures: Figures) -> list[tuple[str, Mapping[str, Any]]]:
    """Definitions beside the primary one in the order of the plan; a record sorts its keys."""
    planned = list(figures["plan"]["responder"].get("secondary", ()))
    found = figures["secondary_definitions"]
    return [(text, found[text]) for text in dict.fromkeys([*planned, *found]) if text in found]


def responder_lines(figures: Figures) -> list[str]:
    """The headline model by every responder definition, then its gain and the permutation test."""
    one = figures["models"][figures["headline"]]
    cohort, gain = figures["cohort"], figures["gain_over_covariates"]
    definition = figures["plan"]["responder"]["definition"]
    lines = [
        f"{definition}: AUROC {spread(one['auroc'], one['auroc_interval'])} in "
        f"{counted(cohort['people'], 'person', 'people')}, "
        f"{counted(cohort['responders'], 'responder')} (base rate "
        f"{cohort['base_rate']:.2f}).",
    ]
    for text, other in secondary_of(figures):
        figure = (
            f"AUROC {spread(other['auroc'], other['auroc_interval'])}"
            if other.get("auroc") is not None
            else other["note"]
        )
        lines.append(f"{text}: {figure}, {other['responders']} of {other['people']} responders.")
    if gain["auroc_interval"]:
        low = gain["auroc_interval"][0]
        lines.append(
            f"Gain in AUROC over the best covariate-only rival ({gain['rival']}): "
            f"{spread(gain['auroc'], gain['auroc_interval'], '+.2f')}"
            + (": no gain is shown." if low <= 0 else ".")
        )
    elif gain["auroc"] is None:
        lines.append(f"Gain in AUROC over covariates: {gain['rival']}.")
    if added := figures.get("fitted_for_gate"):
        lines.append(
            f"Judged though not in the plan, as an individual number must be better than "
            f"covariates alone: {', '.join(added)}. This is no deviation."
        )
    test = figures["permutation"]
    if test:
        lines.append(f"Permutation {p_text(test['p_value'])} ({test['words']}).")
    elif why := not_permuted(figures):
        lines.append(f"Permutation of the label: not possible. {why}")
    return lines


def not_permuted(figures: Figures) -> str:
    """Why planned permutations were not made, in a sentence; "" where they were, or none was."""
    told = [one for one in figures.get("deviations", ()) if one["what"] == "protocol.permutations"]
    return str(told[0]["reason"]) if told else ""
