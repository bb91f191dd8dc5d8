"""From the record of an evaluation (``evaluation.json``) to the facts of its report.

Only the record is read, so a report can be written again from what may be shown; nobody's own
score is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.cohort.experiments.record_parts import (
    Figures,
    calibration_of,
    change_permutation_of,
    conformal_of,
    confusion_of,
    decision_of,
    definitions_of,
    estimate_of,
    more_tables,
    permutation_of,
    screening_of,
)
from app.cohort.experiments.record_robustness import (
    GROUPS,
    change_groups_of,
    change_groups_table,
    change_learning_of,
    confound_checks,
    groups_of,
    learning_of,
)
from app.cohort.experiments.record_words import (
    answers_of,
    limitations_of,
    protocol_rows,
    provenance_rows,
    question_rows,
    summary_of,
    with_signs,
)
from app.cohort.learn.contenders import VARIANTS
from app.cohort.learn.primary_words import (
    BASELINE_ONLY,
    INTERVALS,
    above_zero,
    below_zero,
    continuous_lines,
    corrected_text,
    is_continuous,
    reaches_zero,
    spread,
)
from app.core.wording import counted
from app.reporting.evaluation.facts import (
    BASELINE,
    METRICS,
    MODEL,
    Competitor,
    EvaluationFacts,
    Headline,
    PlainTable,
    Plan,
)

HEADLINE_METRIC = "auroc"
METHOD = (
    "the wider of two: paired bootstrap over persons of out-of-fold predictions, the same persons "
    "drawn for both models, which holds the models fixed; and the corrected repeated "
    "cross-validation test (its interval cut at what the figure can be), "
)


def facts_of_record(
    figures: Figures,
    *,
    title: str,
    command: str,
    finished_utc: str,
    condition: str = "",
    roles: Mapping[str, str] | None = None,
    tables: Sequence[PlainTable] = (),
    summary: Sequence[str] = (),
) -> EvaluationFacts:
    """Everything that the report says.

    Parameters
    ----------
    figures
        `judge.judged(...).figures`, or ``evaluation.json`` read back.
    title, command, finished_utc
        Of the report; the exact words of the command line; UTC.
    condition
        Stands on every page where the people do not have the condition that readers expect.
    roles
        Model id -> `MODEL` or `BASELINE`; None: FMM_TC and its variants are models, all others
        baselines, the headline is a model whatever it is.
    tables, summary
        Of an experiment, put behind and under the headline.
    """
    cohort, plan = figures["cohort"], figures["plan"]
    role = role_of(figures) | dict(roles or {})
    competitors = tuple(_competitor(name, figures, role[name]) for name in _ordered(figures, role))
    responder = headline_of(figures, role)
    leads = is_continuous(figures)
    named = figures["models"][figures["headline"]]
    missing = _missing(figures)
    return EvaluationFacts(
        title=title,
        subject=with_signs(f"{counted(cohort['people'], 'participant')}, {plan['name']}")[:90],
        simulated=bool(figures["simulated"]),
        question=question_rows(plan),
        people=int(cohort["people"]),
        responders=int(cohort["responders"]),
        competitors=competitors + baseline_only(figures) + _left_out(figures),
        command=command,
        answers=answers_of(figures),
        headline=primary_of(figures) if leads else responder,
        primary=with_signs(figures["primary"]["words"]) if leads else "",
        primary_lines=primary_lines(figures, role) if leads else (),
        responder=responder if leads else None,
        definitions=definitions_of(figures),
        responder_metric=HEADLINE_METRIC,
        intervals=INTERVALS,
        condition=condition,
        summary=(*summary, *summary_of(figures)),
        calibration=calibration_of(figures),
        confusion=confusion_of(named, cohort, plan["protocol"]["cutoff"]),
        decision=decision_of(figures),
        learning=learning_of(figures),
        groups=tuple(
            group for kind, key in GROUPS for group in groups_of(kind, figures.get(key, {}))
        ),
        change_learning=change_learning_of(figures),
        change_groups=change_groups_of(figures),
        change_table=change_groups_table(figures),
        confounds=confound_checks(figures["confounds"]),
        permutation=permutation_of(figures["permutation"]),
        change_permutation=change_permutation_of(figures["continuous"]) if leads else None,
        screening=screening_of(figures),
        conformal=conformal_of(figures["conformal"]),
        tables=(*tables, *more_tables(figures)),
        plan=Plan(
            figures["plan_sha256"],
            figures["plan_locked_utc"],
            tuple(
                f"{one['what']}: planned {one['planned']}, done {one['done']}"
                + (f" ({one['reason']})" if one["reason"] else "")
                for one in figures["deviations"]
            ),
        ),
        protocol=protocol_rows(figures),
        provenance=provenance_rows(figures),
        limitations=limitations_of(figures),
        missing=missing,
        finished_utc=finished_utc,
    )


def role_of(figures: Figures) -> dict[str, str]:
    """FMM_TC, its variants and the headline are models; all others are baselines."""
    return {
        name: MODEL if name == figures["headline"] or name in VARIANTS else BASELINE
        for name in figures["models"]
    }


def headline_of(figures: Figures, role: Mapping[str, str]) -> Headline | None:
    """The named model against the best baseline by AUROC; None where there is no baseline."""
    models, name = figures["models"], figures["headline"]
    rivals = {
        one: models[one][HEADLINE_METRIC]
        for one in models
        if one != name and role[one] == BASELINE and models[one].get(HEADLINE_METRIC) is not None
    }
    if not rivals:
        return None
    lows = {one: _lower(figures["comparisons"][one][HEADLINE_METRIC]) for one in rivals}
    # of several with the same figure, the one that is the hardest to be told from
    best = max(rivals, key=lambda one: (float(rivals[one]), -lows[one]))
    found = figures["comparisons"][best][HEADLINE_METRIC]
    if found["difference"] is None:
        return None
    test = found["corrected_test"]
    words = corrected_text(test)
    return Headline(
        HEADLINE_METRIC,
        models[name]["label"],
        models[best]["label"],
        estimate_of(found["difference"], _wider(found)),
        METHOD + words + ". The best of several baselines is chosen on the same people, which is "
        "hard on the model.",
        sentence=_better_than(
            models[name]["label"],
            models[best]["label"],
            lows[best],
            [models[one]["label"] for one in rivals if one != best and not lows[one] > 0.0],
        ),
    )


def _lower(found: Figures) -> float:
    """Lower limit of a difference, minus infinity where there is none."""
    interval = _wider(found)
    return float(interval[0]) if interval else float("-inf")


def _better_than(model: str, best: str, low: float, unshown: Sequence[str]) -> str:
    """What was tested where the model did better than the best baseline; "" elsewhere."""
    if not low > 0.0:
        return ""
    if not unshown:
        return (
            f"{model} did better than every baseline in these people, {best} among them, which "
            "has the highest AUROC."
        )
    names = ", ".join(unshown[:-1]) + (" and " if unshown[1:] else "") + unshown[-1]
    return (
        f"{model} did better than {best}, the baseline with the highest AUROC, in these people; "
        f"that it does better than {names} is not shown."
    )


def primary_of(figures: Figures) -> Headline | None:
    """The named model beyond the score before treatment alone, on the continuous outcome."""
    found = figures["continuous"]
    one, alone = found["models"][found["headline"]], found["models"][BASELINE_ONLY]
    explained = found["comparisons"][BASELINE_ONLY]["r_squared"]
    difference = estimate_of(explained["difference"], explained["interval"])
    test = explained["corrected_test"]
    words = corrected_text(test)
    low = difference.low
    name, other = one["label"], alone["label"][:1].lower() + alone["label"][1:]
    return Headline(
        "r2",
        name,
        alone["label"],
        difference,
        METHOD + words + ".",
        sentence=(
            f"{name} says more about the change than the {other} in these people."
            if above_zero(low)
            else f"{name} predicts the change worse than the {other}."
            if below_zero(difference.high)
            else f"The interval {reaches_zero(low, difference.high)}: that {name} says anything "
            f"about the change beyond the {other} is not shown."
        ),
        label=f"beyond the {other}, 95 % interval",
    )


def primary_lines(figures: Figures, role: Mapping[str, str]) -> tuple[str, ...]:
    """The primary outcome's other figures, and the difference to the best baseline of all."""
    found = figures["continuous"]
    lines = continuous_lines(figures)[1:]
    rivals = [name for name in found["comparisons"]
              if name != BASELINE_ONLY and role.get(name) == BASELINE]  # fmt: skip
    if rivals:
        best = max(rivals, key=lambda name: float(found["models"][name]["r_squared"]))
        one = found["comparisons"][best]["r_squared"]
        if best != found["gain_over_covariates"]["rival"]:  # told already
            lines.append(
                f"Over the best of all baselines ({found['models'][best]['label']}): R² "
                f"{spread(one['difference'], one['interval'], '+.2f')}."
            )
    return tuple(line.replace("(-", "(\N{MINUS SIGN}").replace(" -", " \N{MINUS SIGN}")
                 for line in lines)  # fmt: skip


def baseline_only(figures: Figures) -> tuple[Competitor, ...]:
    """The score before treatment alone, a rival of the continuous outcome."""
    found = figures["continuous"]
    if not found or BASELINE_ONLY not in found["models"]:
        return ()
    one = found["models"][BASELINE_ONLY]
    gained = found["comparisons"][BASELINE_ONLY]["r_squared"]
    return (
        Competitor(
            BASELINE_ONLY,
            one["label"],
            BASELINE,
            {
                "r2": estimate_of(0.0, None),
                "mae": estimate_of(one["absolute_error"], one["absolute_error_interval"]),
            },
            estimate_of(gained["difference"], gained["interval"])
            if is_continuous(figures)
            else None,
        ),
    )


def _wider(found: Figures) -> Sequence[float] | None:
    """Interval of a difference: bootstrap and corrected test, on either side the wider."""
    test, interval = found["corrected_test"], found["interval"]
    if test and interval and "bootstrap_interval" not in found:  # of an older version
        return [min(interval[0], test["low"]), max(interval[1], test["high"])]
    return interval  # type: ignore[no-any-return]


def _ordered(figures: Figures, role: Mapping[str, str]) -> list[str]:
    names = list(figures["models"])
    rest = [name for name in names if name != figures["headline"]]
    return [figures["headline"], *sorted(rest, key=lambda name: role[name] == BASELINE)]


def _competitor(name: str, figures: Figures, role: str) -> Competitor:
    one = figures["models"][name]
    known = [metric.id for metric in METRICS if metric.id in one]
    estimates = {key: estimate_of(one[key], one[f"{key}_interval"]) for key in known}
    continuous = figures["continuous"]
    if continuous:
        own = continuous["models"].get(name, {})
        for key, as_named in (("r_squared", "r2"), ("r", "correlation"), ("absolute_error", "mae")):
            if key in own:
                estimates[as_named] = estimate_of(own[key], own[f"{key}_interval"])
    difference = None
    if name in figures["comparisons"]:
        found = figures["comparisons"][name][HEADLINE_METRIC]
        difference = estimate_of(found["difference"], _wider(found))
    if not is_continuous(figures):
        return Competitor(name, one["label"], role, estimates, difference)
    compared = continuous["comparisons"].get(name)
    return Competitor(
        name, one["label"], role, estimates,
        None if compared is None else estimate_of(
            compared["r_squared"]["difference"], compared["r_squared"]["interval"]
        ),
        responder_difference=difference,
    )  # fmt: skip


def _left_out(figures: Figures) -> tuple[Competitor, ...]:
    return tuple(
        Competitor(one["planned"], one["planned"], BASELINE, {}, None, one["reason"])
        for one in figures["deviations"]
        if one["what"].startswith("models") and one["done"] == "left out"
    )


def _missing(figures: Figures) -> dict[str, str]:
    """Why a part is not shown, as far as the record says."""
    found = {"headline": "No baseline was judged beside the model."}
    for one in figures["deviations"]:
        if one["what"] == "protocol.permutations":
            found["permutation"] = one["reason"]
        if one["what"] == "protocol.learning_curve":
            found["learning"] = one["reason"][:1].upper() + one["reason"][1:] + "."
            found["change_learning"] = found["learning"]
    found.setdefault("change_learning", "Made for models that regress the change themselves.")
    protocol = figures["plan"]["protocol"]
    if not protocol["permutations"]:
        found["permutation"] = "The plan asks for none."
    if not protocol["learning_curve"]:
        found["learning"] = found["change_learning"] = "The plan asks for none."
    return found
