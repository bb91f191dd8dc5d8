"""The analysis plan: what is asked, of whom, by which models and figures, fixed beforehand.

One class a table of ``plan.toml``. Treatment, responder, estimand and population are those of a
model's card, so they travel with the bundle word for word. The hash is taken over the content,
not over spelling or comments of the file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from app.cohort.learn.definition import (
    Definition,
    parse_definition,
    refuse_contradictions,
)
from app.core.errors import AppError
from app.core.provenance import record_sha256
from app.models.card import problems_of
from app.models.card_schema import Estimand, Population, Responder, Treatment
from app.models.card_text import Part, Text

FORMAT = 1
MAX_PLAN_BYTES = 1 << 20
Metric = Literal[
    "auroc",
    "balanced_accuracy",
    "mcc",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
]
METRICS: tuple[Metric, ...] = get_args(Metric)
# Table, field and the value that plans had before there was the field: locks keep their hash.
LATER_FIELDS = (
    ("outcome", "primary", None),
    ("protocol", "calibration", "platt"),
    ("scan", "session", None),
    ("arms", "control", None),
)
LATER_TABLES = ("scan", "arms")  # empty where unused
# Spellings under which a table may hold what models and checks need, lower case.
ALIASES = {
    "session": ("session_id", "session", "visit"),
    "site": ("site", "site_id", "center", "centre", "scanner"),
    "arm": ("arm", "group", "treatment_arm"),
    "age_years": ("age_years", "age"),
    "sex": ("sex", "gender"),
    "baseline_pain": ("baseline_pain", "pain_baseline", "baseline_nrs", "baseline_vas"),
    "definition": ("responder_definition", "definition"),
}


class OutcomePlan(Part):
    """[outcome]: the column, what it holds, and which way is better."""

    column: Text
    kind: Literal["label", "post", "percent_improvement", "points_improvement"]
    scale: Text
    direction: Literal["lower_is_better", "higher_is_better"] = "lower_is_better"
    baseline_column: Text | None = None  # the same scale before treatment
    check_column: Text | None = None  # percent improvement that must agree with a label column
    primary: Literal["continuous", "responder"] | None = None  # None = continuous where possible
    lowest: float | None = None  # ends of the scale, of scores before and after treatment
    highest: float | None = None

    @model_validator(mode="after")
    def _agrees(self) -> OutcomePlan:
        if self.kind == "label" and self.baseline_column is not None:
            raise ValueError("baseline_column belongs to a score, not to a label")
        if self.kind != "label" and self.check_column is not None:
            raise ValueError("check_column belongs to a label, not to a score")
        if self.column in (self.baseline_column, self.check_column):
            raise ValueError(
                "column names the score before treatment, or the check, as the outcome itself"
            )
        if self.lowest is not None and self.highest is not None and self.lowest >= self.highest:
            raise ValueError("lowest must be below highest")
        if self.primary == "continuous" and not self.tells_change:
            raise ValueError(
                "primary = 'continuous' needs a column of change, or the score after treatment "
                "with baseline_column"
            )
        return self

    @property
    def tells_change(self) -> bool:
        """Whether the columns hold how much somebody changed."""
        if self.kind == "post":
            return self.baseline_column is not None
        return self.kind in ("percent_improvement", "points_improvement")


class ResponderPlan(Part):
    """[responder]: the primary definition, and those declared beforehand beside it."""

    definition: Text
    secondary: list[Text] = Field(default_factory=list, max_length=8)
    time_point: Text


class ModelsPlan(Part):
    """[models]: the model of the headline and the rivals that stand beside it."""

    headline: Text
    rivals: list[Text] = Field(default_factory=list, max_length=30)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the headline first."""
        return (self.headline, *self.rivals)


class RecipePlan(Part):
    """[recipe]: what the scans must have been through."""

    atlas: Text = "HCPEx"
    preset: Text = "simple-highpass"
    harmonise: Literal["none", "combat"] = "none"


class ScanPlan(Part):
    """[scan]: the one visit, before treatment, whose scans take part."""

    session: Annotated[str, Field(pattern=r"^(ses-)?[A-Za-z0-9]{1,64}$")] | None = None

    @property
    def label(self) -> str:
        """ "ses-…"; "" where the plan names none."""
        return f"ses-{self.session.removeprefix('ses-')}" if self.session else ""


class ArmsPlan(Part):
    """[arms]: the control arm, whose people are judged together with the treated.

    No model here knows the arm: the score of people of several arms is prognostic. What the arms
    are for is the interaction of treatment and score, and the figures of each arm.
    """

    control: Text | None = None


class ProtocolPlan(Part):
    """[protocol]: splits, repeats and seeds; the same for every model."""

    outer_folds: Annotated[int, Field(ge=2, le=20)] = 5
    inner_folds: Annotated[int, Field(ge=2, le=20)] = 4
    repeats: Annotated[int, Field(ge=1, le=200)] = 20
    leave_one_site_out: bool = True  # in addition, where there are two or more sites
    seed: Annotated[int, Field(ge=0)] = 0
    cutoff: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    metrics: list[Metric] = Field(default_factory=lambda: list(METRICS), min_length=1)
    bootstrap_repeats: Annotated[int, Field(ge=100, le=20_000)] = 2000
    permutations: Annotated[int, Field(ge=0, le=10_000)] = 200
    learning_curve: bool = True
    conformal_level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.9
    refits: Annotated[int, Field(ge=0, le=1000)] = 100  # on resampled people, for the interval
    calibration: Literal["platt", "temperature"] = "platt"  # on log-odds of the inner folds
    fewest_at_a_site: Annotated[int, Field(ge=1)] = 2  # smaller sites are pooled for splitting


class Plan(Part):
    """A whole plan."""

    format: Literal[1] = 1
    name: Text
    outcome: OutcomePlan
    responder: ResponderPlan
    treatment: Treatment
    population: Population
    estimand: Estimand
    models: ModelsPlan
    recipe: RecipePlan = Field(default_factory=RecipePlan)
    scan: ScanPlan = Field(default_factory=ScanPlan)
    arms: ArmsPlan = Field(default_factory=ArmsPlan)
    protocol: ProtocolPlan = Field(default_factory=ProtocolPlan)
    columns: dict[str, str] = Field(default_factory=dict)  # meaning -> column of the table
    select: dict[str, list[str]] = Field(default_factory=dict)  # column -> values that take part

    @model_validator(mode="after")
    def _agrees(self) -> Plan:
        unknown = sorted(set(self.columns) - set(ALIASES))
        if unknown:
            raise ValueError(f"columns.{unknown[0]} is unknown; use {', '.join(ALIASES)}")
        if set(self.select) & set(self.sealed_columns):
            raise ValueError("select names the outcome: people are never chosen by their outcome")
        if set(self.columns.values()) & ({self.outcome.column, self.outcome.check_column} - {None}):
            raise ValueError("columns name the outcome as something known before treatment")
        if len(set(self.models.names)) < len(self.models.names):
            raise ValueError("models name one model twice")
        if self.treatment.control_arm_modelled:
            raise ValueError(
                "treatment.control_arm_modelled is true, but no model of a cohort knows the arm; "
                "name the control arm as [arms] control, and the score is told as prognostic"
            )
        return self

    @property
    def sealed_columns(self) -> tuple[str, ...]:
        """Columns that nobody reads before the plan is locked."""
        outcome = self.outcome
        return tuple(name for name in (outcome.column, outcome.check_column) if name)

    @property
    def definition(self) -> Definition:
        """The primary definition."""
        return parse_definition(self.responder.definition)

    @property
    def secondary(self) -> tuple[Definition, ...]:
        """Those declared beside it."""
        return tuple(parse_definition(text) for text in self.responder.secondary)

    @property
    def primary(self) -> Literal["continuous", "responder"]:
        """The primary outcome: change where the columns tell it, unless the plan says otherwise."""
        return self.outcome.primary or ("continuous" if self.outcome.tells_change else "responder")

    @property
    def sha256(self) -> str:
        """Hash over the content; fields of later versions count only where they are used."""
        values = self.model_dump(mode="json")
        for table, name, unused in LATER_FIELDS:
            if values[table][name] == unused:
                del values[table][name]
        values = {n: value for n, value in values.items() if value or n not in LATER_TABLES}
        return record_sha256(values)

    def card_responder(self) -> Responder:
        """The primary definition as a card states it."""
        found = self.definition
        return Responder(
            text=f"{found.text} at {self.responder.time_point}",
            scale=self.outcome.scale,
            direction=found.direction,
            threshold=found.threshold,
            unit=found.unit,
            time_point=self.responder.time_point,
        )


def parse_plan(values: dict[str, Any]) -> Plan:
    """Check a plan's values.

    Raises
    ------
    AppError
        ``cohort.plan`` naming up to three fields; ``cohort.definition``.
    """
    try:
        plan = Plan.model_validate(values)
    except ValidationError as error:
        problems = problems_of(error, Plan)
        rest = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise plan_error("; ".join(problems[:3]) + rest) from error
    if plan.outcome.kind != "label" or plan.secondary:
        refuse_contradictions((plan.definition, *plan.secondary))
    lower = plan.outcome.direction == "lower_is_better"
    if (plan.definition.direction in ("decrease", "below")) is not lower:
        raise plan_error("responder.definition asks for the opposite of outcome.direction")
    if plan.definition.scale.casefold() not in plan.outcome.scale.casefold():
        raise plan_error(
            f"responder.definition is about '{plan.definition.scale[:40]}', outcome.scale about "
            f"'{plan.outcome.scale[:40]}'"
        )
    return plan


def read_plan(path: Path) -> Plan:
    """Read a ``plan.toml``.

    Raises
    ------
    AppError
        ``cohort.plan`` when it is no TOML, or as `parse_plan`.
    """
    if not path.is_file() or path.stat().st_size > MAX_PLAN_BYTES:
        raise plan_error("there is no such file, or it is larger than 1 MiB")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise plan_error("it is not TOML") from error
    return parse_plan(values)


def plan_toml(plan: Plan) -> str:
    """The plan as TOML; reading it again gives the same hash."""
    from tomli_w import dumps

    values = plan.model_dump(mode="json", exclude_none=True)
    return dumps({n: value for n, value in values.items() if value or n not in LATER_TABLES})


def plan_error(what: str) -> AppError:
    """A plan that cannot be followed."""
    return AppError(
        f"The analysis plan cannot be used: {what}.",
        "Correct the plan; labels are not read before it is complete.",
        code="cohort.plan",
    )
