"""Words of a report: question, protocol, limits, TRIPOD+AI answers; from the record alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.cohort.calibration import WORDS as CALIBRATION_WORDS
from app.cohort.learn.flags import pooled_arms
from app.cohort.learn.primary_words import CONTINUOUS, secondary_of
from app.core.wording import with_signs as with_signs

Figures = Mapping[str, Any]
DISCOURAGED_BELOW = 300  # people; Poldrack et al. 2020, JAMA Psychiatry 77: "several hundred"
NO_CONTROL_ARM = (
    "No control arm was modelled: response is not drug effect; placebo response, natural course "
    "and regression to the mean are in it."
)


def question_rows(plan: Figures) -> tuple[tuple[str, str], ...]:
    """What is asked, of whom, when."""
    treatment, responder, estimand = plan["treatment"], plan["responder"], plan["estimand"]
    dose = ", ".join(
        part for part in (treatment["dose"], treatment["route"]) if part not in ("", "none")
    )
    return (
        ("Treatment", treatment["drug"] + (f" ({dose})" if dose else "")),
        ("Arm", f"{treatment['arm']}; comparator: {treatment['comparator']}"),
        ("Responder definition", with_signs(responder["definition"])),
        ("Time point", responder["time_point"]),
        ("Population", plan["population"]["description"]),
        ("Estimand", estimand["statement"]),
        ("Rescue medication", estimand["rescue_medication"]),
        ("Drop-out", estimand["drop_out"]),
    )


def summary_of(figures: Figures) -> tuple[str, ...]:
    """What a reader must see first."""
    return tuple(str(text) for text in figures["flags"])


def protocol_rows(figures: Figures) -> tuple[tuple[str, str], ...]:
    """Splits, seeds and what was fitted where."""
    splits, protocol = figures["splits"], figures["plan"]["protocol"]
    recipe = figures["plan"]["recipe"]
    return (
        (
            "Splits",
            f"{splits['kind']}, {splits['outer_folds']} outer and {splits['inner_folds']} inner "
            f"folds, {splits['repeats']} repeats, by {splits['by']}",
        ),
        ("Seed", f"{splits['seed']}; splits SHA-256 {splits['sha256']}"),
        (
            "Inside the training folds",
            "scalers, imputation, tangent reference, choice of penalty or epoch, calibration"
            + (", harmonisation" if recipe["harmonise"] != "none" else ""),
        ),
        (
            "Calibration",
            f"{CALIBRATION_WORDS[protocol.get('calibration', 'platt')]} on log-odds of the inner "
            "folds",
        ),
        (
            "Intervals",
            f"bootstrap over persons, {protocol['bootstrap_repeats']} draws, the same in all "
            "repeats of the split, the models held fixed; of whole models and of differences "
            "between them the wider of this and of the corrected repeated-CV test, cut at what a "
            "figure can be; exact where everybody is told apart",
        ),
        ("Harmonisation", recipe["harmonise"]),
        ("Cut-off", f"{protocol['cutoff']:g}, declared in the plan"),
    )


def provenance_rows(figures: Figures) -> tuple[tuple[str, str], ...]:
    """Hashes and versions."""
    recipe = figures["plan"]["recipe"]
    versions = figures.get("versions", {})
    words = ", ".join(f"{name} {version}" for name, version in versions.items())
    seconds = sum(float(value) for value in figures.get("timing_s", {}).values())
    return (
        ("Cohort SHA-256", figures["cohort"]["sha256"]),
        ("Recipe", f"preset {recipe['preset']}, atlas {recipe['atlas']}"),
        ("Software", words or "not recorded"),
        ("Computed now", f"{seconds:.0f} s of fits; finished folds of earlier runs take none"),
    )


def few_people(count: int, of: str = "") -> list[str]:
    """What so few people cannot show, as one sentence; [] where there are enough."""
    if count >= DISCOURAGED_BELOW:
        return []
    return [
        f"{of}{count} people: claims of prediction are discouraged below several hundred; the "
        "intervals say what such a number can show."
    ]


def limitations_of(figures: Figures) -> tuple[str, ...]:
    """Sentences that follow from the record alone."""
    cohort = figures["cohort"]
    found = []
    if figures["simulated"]:
        found.append(
            "Simulated people and a simulated treatment: nothing here says anything about a person."
        )
    if pooled := pooled_arms(dict(figures)):
        found.append(
            f"{pooled} Response is not drug effect, nor is its prediction: those given the control "
            "count as responders like the treated."
        )
    else:
        found.append(NO_CONTROL_ARM)
    found += few_people(cohort["people"])
    found.append(
        "Internal validation only: the figures are about people like these, scanned and treated "
        "like these."
    )
    return tuple(found)


def _primary(figures: Figures) -> str:
    """The primary outcome, where it is not the responder definition that follows."""
    found = figures.get("primary") or {}
    if found.get("outcome") != CONTINUOUS:
        return ""
    return f"Primary: {with_signs(found['words'])}. Secondary: "


def visits_of(figures: Figures) -> str:
    """Which visits the scans are of, and who says so; nothing here can know when they lay."""
    sessions: Mapping[str, int] = figures["cohort"].get("sessions", {})
    planned = (figures["plan"].get("scan") or {}).get("session")
    names = ", ".join(f"{name or 'no session'} {count}" for name, count in sessions.items())
    if planned:
        said = f"One scan a person, of the session that the plan names ({names})"
    elif len(sessions) > 1:
        said = f"One scan a person, of the session that the table names ({names})"
    elif "" in sessions:
        said = "One scan a person; the scans name no session"
    else:
        said = f"One scan a person, all of one session ({names})" if sessions else "Scans"
    return f"{said}: that they lie before treatment is for the authors to say."


def sites_apart(figures: Figures) -> str:
    """How people who were judged differ from those a model was trained on."""
    if figures.get("leave_one_site_out"):
        return (
            "Internal validation in one data set; each site was also left out once and judged by "
            "models trained on the others (table Each site left out in turn). Other differences: "
            "for the authors."
        )
    return "Not applicable: internal validation, one data set."


def analysed(figures: Figures) -> str:
    """People and responders of each analysis."""
    cohort, definition = figures["cohort"], figures["plan"]["responder"]["definition"]
    rows = [(definition, cohort["people"], cohort["responders"])]
    rows += [(text, one["people"], one["responders"]) for text, one in secondary_of(figures)]
    found = "; ".join(
        f"{with_signs(text)}: {people} people, {responders} responders"
        for text, people, responders in rows
    )
    change = figures.get("continuous")
    more = f"; the change: {change['known']} people" if change and "known" in change else ""
    return f"{found}{more}. Sites and sexes: beside their figures."


def answers_of(figures: Figures) -> dict[str, str]:
    """What this record answers of TRIPOD+AI; what it cannot know is left out."""
    plan, cohort = figures["plan"], figures["cohort"]
    treatment, responder = plan["treatment"], plan["responder"]
    splits, outcome, recipe = figures["splits"], plan["outcome"], plan["recipe"]
    excluded = ", ".join(f"{count} {why}" for why, count in cohort["excluded"].items()) or "nobody"
    count, responders = cohort["people"], cohort["responders"]
    rivals, curve = len(figures["models"]) - 1, bool(figures["learning_curve"])
    sites = ", ".join(f"{name} {number}" for name, number in cohort["sites"].items())
    inputs = "; ".join(sorted({one["inputs"] for one in figures["models"].values()}))
    mean, spread = cohort["age_mean_years"], cohort["age_sd_years"]
    ages = "ages not known" if mean is None else f"age {mean:.0f} ± {spread or 0.0:.0f} years"
    sexes = ", ".join(f"{name} {number}" for name, number in cohort["sexes"].items())
    return {
        "1": f"Development with internal validation of a model of response to {treatment['drug']} "
        f"in {plan['population']['description']}.",
        "4": f"Development and internal validation; comparison with {rivals} rivals on the same "
        "splits.",
        "5": f"Sites: {sites}. Dates and representativeness: for the authors.",
        "6": f"{plan['population']['description']}; treatment: {treatment['drug']}, arm "
        f"{treatment['arm']}. Setting and eligibility: for the authors.",
        "7": f"Recipe preset {recipe['preset']}, atlas {recipe['atlas']}, the same for everybody; "
        "scans whose quality withholds a number take no part.",
        "8": f"{_primary(figures)}{with_signs(responder['definition'])} at "
        f"{responder['time_point']} (column '{outcome['column']}', scale {outcome['scale']}). "
        "Assessment and blinding: for the authors.",
        "9": f"Inputs of the models: {inputs}. {visits_of(figures)} Columns of the table by "
        "allow-list, the outcome sealed until the plan was locked.",
        "10": f"No sample size calculation; the {'learning curve and the ' * curve}intervals show "
        f"what {count} people give.",
        "11": f"Left out: {excluded}. Unknown covariates and parcels count as the training mean.",
        "12": f"{splits['kind']}; everything fitted inside training folds; section Plan, protocol "
        "and command.",
        "13": "Both classes weigh the same in every fit; probabilities are recalibrated to the "
        "base rate by inner folds.",
        "14": "Figures by sex and site; no other approach to fairness.",
        "15": f"A probability; cut-off {plan['protocol']['cutoff']:g} declared beforehand; "
        "conformal sets beside it.",
        "16": sites_apart(figures),
        "18": f"Plan SHA-256 {figures['plan_sha256'][:16]}; code Apache-2.0. Funding, conflicts, "
        "registration and data sharing: for the authors.",
        "20": f"{count} people, {responders} responders; {ages}; sex {sexes}; left out: "
        f"{excluded}.",
        "21": analysed(figures),
        "22": "The model as a file: main.py train writes a bundle with card, weights and hashes.",
        "23": "Sections Result, All metrics, Probabilities and decisions, What else could explain "
        "it.",
        "24": "Not applicable: no model was updated.",
        "26": "Section Result, Limits.",
        "27": "Research use only; quality gates and novelty withhold numbers. Next steps: for the "
        "authors.",
    }
