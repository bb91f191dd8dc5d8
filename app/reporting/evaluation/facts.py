"""Everything that a report of an evaluation may say, as plain numbers and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.arrays import Floats
from app.core.wording import RUO_LINE
from app.reporting.privacy import with_short_paths

MODEL, BASELINE = "model", "baseline"
NO_PLAN = "No plan was locked before the labels were read: this analysis is exploratory."
COLOURS = (
    "Blue: models. Grey: baselines, which know nothing of the brain or are the plainest way to use "
    "it."
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; None where no interval can be given."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Competitor:
    """One model or baseline, judged on the same people in the same folds."""

    id: str
    label: str
    role: str  # `MODEL` or `BASELINE`
    estimates: Mapping[str, Estimate]  # metric -> figure; see `METRICS`
    difference: Estimate | None = None  # headline metric of the main model minus this one's
    failed: str = ""  # why there are no figures
    responder_difference: Estimate | None = None  # AUROC, where the headline is another metric


@dataclass(frozen=True, slots=True)
class Headline:
    """The one sentence of the report: main model against the best baseline."""

    metric: str
    model: str
    baseline: str
    difference: Estimate
    method: str  # how the interval was made
    sentence: str = ""  # what it means; "" = what the interval says of model and baseline
    label: str = "to the best baseline, 95 % interval"


@dataclass(frozen=True, slots=True)
class CalibrationPlot:
    """Observed share of responders by predicted probability."""

    predicted: Floats  # (group,) mean probability
    observed: Floats  # (group,)
    low: Floats  # (group,) exact interval of the share
    high: Floats
    counts: Floats  # (group,)
    edges: Floats  # (bin + 1,) of the histogram of probabilities
    histogram: Floats  # (bin,) people


@dataclass(frozen=True, slots=True)
class Confusion:
    """People at the declared cut-off; means over repeats of the split need not be whole."""

    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float
    cutoff: float
    cutoff_origin: str  # where the cut-off comes from


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """Net benefit by threshold probability."""

    thresholds: Floats
    treat_all: Floats
    curves: tuple[tuple[str, Floats], ...]  # label, net benefit; the main model first


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Headline metric by number of training people."""

    label: str
    people: Floats
    values: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Group:
    """The main model within one site or one sex."""

    kind: str  # "Site", "Sex"
    name: str
    people: int
    responders: int
    estimate: Estimate | None  # None: one class only or too few
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ConfoundCheck:
    """One way in which something other than the brain may carry the label."""

    name: str
    figure: str  # with its interval
    flagged: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Permutation:
    """Labels shuffled, the whole loop run again."""

    p: float
    repeats: int
    scheme: str  # "within arm, site and fold"
    observed: float
    null: Floats  # (repeat,) the statistic under shuffled labels; empty where not kept
    statistic: str
    null_range: tuple[float, float] | None = None  # 2.5 to 97.5 % of shuffles


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table that the report prints as it is."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    align: str = ""
    widths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The locked analysis plan and what was done otherwise."""

    sha256: str  # "" = there was none
    recorded_utc: str
    deviations: tuple[str, ...]
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationFacts:
    """One evaluation, or one comparison of an experiment.

    `question` states drug, arm, comparator, responder definition, time point, population and
    estimand; `required_rows` names what may not be absent.
    """

    title: str
    subject: str  # header of each page: cohort and condition
    simulated: bool
    question: tuple[tuple[str, str], ...]
    people: int
    responders: int
    competitors: tuple[Competitor, ...]
    command: str  # exact words that made it
    answers: Mapping[str, str] = field(default_factory=dict)  # TRIPOD+AI item -> answer
    headline: Headline | None = None
    condition: str = ""  # stands on every page, such as "knee osteoarthritis"
    primary: str = ""  # what the primary outcome is; "" = the headline says it
    primary_lines: tuple[str, ...] = ()  # its other figures, under the headline
    responder: Headline | None = None  # second headline, where the primary outcome is continuous
    definitions: PlainTable | None = None  # every responder definition of the plan
    intervals: str = ""  # how the 95 % intervals were made, in words without a full stop
    responder_metric: str = ""  # of groups, learning curve; "" = the headline's
    summary: tuple[str, ...] = ()  # sentences under the headline
    calibration: CalibrationPlot | None = None
    confusion: Confusion | None = None
    decision: DecisionCurve | None = None
    learning: tuple[LearningCurve, ...] = ()
    groups: tuple[Group, ...] = ()
    change_learning: tuple[LearningCurve, ...] = ()  # of the continuous outcome, in R²
    change_groups: tuple[Group, ...] = ()  # in R²
    change_table: PlainTable | None = None  # its other figures by group
    confounds: tuple[ConfoundCheck, ...] = ()
    permutation: Permutation | None = None
    change_permutation: Permutation | None = None  # of the continuous outcome
    screening: PlainTable | None = None
    conformal: PlainTable | None = None
    tables: tuple[PlainTable, ...] = ()  # of an experiment, behind the headline
    plan: Plan | None = None
    protocol: tuple[tuple[str, str], ...] = ()  # folds, repeats, seeds
    provenance: tuple[tuple[str, str], ...] = ()  # hashes, versions, device
    limitations: tuple[str, ...] = ()
    base_rates: str = ""  # in words, where people of several questions are never counted together
    missing: Mapping[str, str] = field(default_factory=dict)  # part -> why it is not shown
    no_plan: str = NO_PLAN  # what stands where no plan was locked
    colours: str = COLOURS  # what blue and grey are
    finished_utc: str = ""

    @property
    def base_rate(self) -> float:
        """Share of responders."""
        return self.responders / self.people if self.people else float("nan")

    @property
    def group_metric(self) -> str:
        """What groups and learning curve show."""
        return self.responder_metric or (self.headline.metric if self.headline else "auroc")

    def main(self) -> Competitor | None:
        """The model that the headline is about."""
        models = [one for one in self.competitors if one.role == MODEL and not one.failed]
        if self.headline is not None:
            models = [one for one in models if one.label == self.headline.model] or models
        return models[0] if models else None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name in tables, what it means, and where no information lies."""

    id: str
    label: str
    meaning: str
    neutral: float | None = None
    digits: int = 2


METRICS: tuple[Metric, ...] = (
    Metric(
        "auroc",
        "AUROC",
        "chance that a responder ranks above a non-responder scored by the same model",
        0.5,
    ),
    Metric("balanced_accuracy", "Balanced accuracy", "mean of both classes' accuracy", 0.5),
    Metric("mcc", "MCC", "correlation of decision and outcome", 0.0),
    Metric("sensitivity", "Sensitivity", "responders found at the cut-off"),
    Metric("specificity", "Specificity", "non-responders found at the cut-off"),
    Metric(
        "brier", "Brier score", "mean squared error of the probability; less is better", None, 3
    ),
    Metric("log_loss", "Log-loss", "mean negative log-likelihood; less is better", None, 3),
    Metric("calibration_slope", "Calibration slope", "1 = neither over- nor underconfident", 1.0),
    Metric("calibration_intercept", "Calibration intercept", "0 = right on average", 0.0),
    Metric(
        "r2",
        "R²",
        "share of the change explained, beyond the score before treatment where it is known",
        0.0,
    ),
    Metric("correlation", "Correlation", "predicted with observed change, so adjusted", 0.0),
    Metric("mae", "Mean absolute error", "of the change, so adjusted, in its own units"),
)


def metric_of(identifier: str) -> Metric:
    """The metric of that id, or a plain one of the same name."""
    for metric in METRICS:
        if metric.id == identifier:
            return metric
    return Metric(identifier, identifier.replace("_", " "), "")


def record_of(facts: EvaluationFacts) -> dict[str, Any]:
    """The facts as the JSON that is attached, without scores of single people."""

    def estimate(one: Estimate | None) -> Any:
        if one is None:
            return None
        return [None if v is None or v != v else v for v in (one.value, one.low, one.high)]

    def plain(table: PlainTable | None) -> Any:
        if table is None:
            return None
        return {"title": table.title, "header": list(table.header),
                "rows": [list(row) for row in table.rows]}  # fmt: skip

    def head(one: Headline | None) -> Any:
        if one is None:
            return None
        return {"metric": one.metric, "model": one.model, "baseline": one.baseline,
                "difference": estimate(one.difference), "method": one.method}  # fmt: skip

    return {
        "format": "neuroresponder-evaluation",
        "format_version": 1,
        "intended_use": RUO_LINE,
        "title": facts.title,
        "condition": facts.condition,
        "subject": facts.subject,
        "simulated": facts.simulated,
        "question": dict(facts.question),
        "people": facts.people,
        "responders": facts.responders,
        "primary": facts.primary,
        "headline": head(facts.headline),
        "primary_lines": list(facts.primary_lines),
        "responder": head(facts.responder),
        "definitions": plain(facts.definitions),
        "competitors": [
            {
                "id": one.id,
                "label": one.label,
                "role": one.role,
                "failed": one.failed,
                "difference": estimate(one.difference),
                "responder_difference": estimate(one.responder_difference),
                "estimates": {name: estimate(value) for name, value in one.estimates.items()},
            }
            for one in facts.competitors
        ],
        "confusion": None
        if facts.confusion is None
        else {
            "true_positive": facts.confusion.true_positive,
            "false_positive": facts.confusion.false_positive,
            "false_negative": facts.confusion.false_negative,
            "true_negative": facts.confusion.true_negative,
            "cutoff": facts.confusion.cutoff,
        },
        "change_permutation_p": facts.change_permutation.p if facts.change_permutation else None,
        "permutation": None
        if facts.permutation is None
        else {
            "p": facts.permutation.p,
            "repeats": facts.permutation.repeats,
            "scheme": facts.permutation.scheme,
            "observed": facts.permutation.observed,
        },
        "groups": [
            [one.kind, one.name, one.people, one.responders, estimate(one.estimate)]
            for one in facts.groups
        ],
        "change_groups": plain(facts.change_table),
        "confounds": [[one.name, one.figure, one.flagged] for one in facts.confounds],
        "screening": plain(facts.screening),
        "conformal": plain(facts.conformal),
        "tables": [plain(one) for one in facts.tables],
        "plan": None
        if facts.plan is None
        else {"sha256": facts.plan.sha256, "deviations": list(facts.plan.deviations)},
        "protocol": dict(facts.protocol),
        "provenance": dict(facts.provenance),
        "limitations": list(facts.limitations),
        "answers": dict(facts.answers),
        "missing": dict(facts.missing),
        "command": with_short_paths(facts.command),
        "finished_utc": facts.finished_utc,
    }
