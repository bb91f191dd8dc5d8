"""The fields of a model card, format 2, and the rules between them.

One class a table of ``card.toml``; a field's type says what it may be, `CardFields` says what
must agree. A bundle holds no individual's features or scores: for a model made from people the
rules at the end refuse every table and size that could carry them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from app.models.card_text import (
    Count,
    Interval,
    ModelId,
    Pair,
    Part,
    Positive,
    Rate,
    Sha256,
    Text,
    check_figures,
    check_finite,
)
from app.models.conformal_set import ConformalFields
from app.models.earned import GATE_TABLE, unearned_reason

FORMAT = 2
COVARIATES = ("age_years", "sex_female", "mean_fd_mm", "baseline_pain")
GAIN_TABLE = "gain_over_covariates"
PERMUTATION_TABLE = "permutation"
RESEARCH_USE = "Research use only"
FEWEST_AT_A_SITE = 10  # a site's mean over fewer people could be traced to one of them
PEOPLE_PER_QUANTILE = 5


class Identity(Part):
    """[model]"""

    id: ModelId
    architecture: Text
    mode: Literal["corrected", "faithful"]
    simulated: bool  # made from simulated people
    use: Text
    licence: Text
    limitations: Annotated[list[Text], Field(min_length=1)]


class Treatment(Part):
    """[treatment]"""

    drug: Text
    dose: Text
    route: Text
    arm: Text
    comparator: Text
    control_arm_modelled: bool


class Responder(Part):
    """[responder]: who counts as a responder, in words and in parts that can be compared."""

    text: Text
    scale: Text
    direction: Literal["decrease", "increase", "below", "above"]
    threshold: float
    unit: Literal["percent", "absolute"]
    time_point: Text

    @model_validator(mode="after")
    def _agrees(self) -> Responder:
        if self.direction in ("below", "above") and self.unit != "absolute":
            raise ValueError("unit must be 'absolute' where the direction is 'below' or 'above'")
        if self.unit == "percent" and not 0.0 < self.threshold <= 100.0:
            raise ValueError(f"threshold must lie in 0..100 percent (found {self.threshold:g})")
        return self


class Estimand(Part):
    """[estimand]: what the label means where people took rescue medication or dropped out."""

    statement: Text
    rescue_medication: Text
    drop_out: Text


class Population(Part):
    """[population]"""

    description: Text
    age_range_years: Interval

    @model_validator(mode="after")
    def _plausible(self) -> Population:
        if not (self.age_range_years[0] >= 0.0 and self.age_range_years[1] <= 120.0):
            raise ValueError("age_range_years must lie in 0..120 years")
        return self


class Site(Part):
    """[[training.sites]]"""

    name: Text
    count: Annotated[int, Field(ge=1)] | None = None


class Training(Part):
    """[training]: summary of the cohort, never a person."""

    count: Annotated[int, Field(ge=2)]
    responders: Count
    held_out_count: Count
    held_out_responders: Count
    sites: Annotated[list[Site], Field(min_length=1, max_length=200)]
    external_test: Text

    @model_validator(mode="after")
    def _agrees(self) -> Training:
        if not 0 < self.responders < self.count:
            raise ValueError("responders must leave both classes with someone in them")
        if self.held_out_responders > self.held_out_count:
            raise ValueError("held_out_responders is more than held_out_count")
        counts = [site.count for site in self.sites]
        known = [count for count in counts if count is not None]
        if len(known) == len(counts) and sum(known) != self.count:
            raise ValueError(f"sites hold {sum(known)} people, count says {self.count}")
        return self


class Protocol(Part):
    """[protocol]: how the figures were got, and which tables of [metrics] they are."""

    description: Text
    split: Text
    cutoff: Rate
    cutoff_source: Literal["pre-registered", "chosen on data"]
    headline: Text
    rival: Text


class Contract(Part):
    """[contract]: what a scan must have been through before this model may look at it."""

    atlas: Text
    atlas_sha256: Sha256
    parcel_count: Annotated[int, Field(ge=2, le=100_000)]
    parcel_order_sha256: Sha256  # of the names, joined by line feeds
    template: Text
    preset: Text
    tasks: Annotated[list[Text], Field(min_length=1)]
    repetition_time_policy: Literal["frames", "physical"]
    repetition_time_s: Annotated[float, Field(gt=0.0, le=30.0)]
    repetition_time_tolerance_s: Annotated[float, Field(ge=0.0)]
    window_frames: Annotated[int, Field(ge=2, le=100_000)]
    minimum_frames: Annotated[int, Field(ge=2)]
    window_rule: Text
    normalisation: Text
    normalisation_origin: Text
    series_scale_percent: Positive
    connectivity_kind: Text
    connectivity: Text
    maximum_missing_parcels: Count
    quality_limits: dict[str, Pair] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agrees(self) -> Contract:
        if self.minimum_frames < self.window_frames:
            raise ValueError("minimum_frames is below window_frames; nothing is ever padded")
        if self.repetition_time_tolerance_s >= self.repetition_time_s:
            raise ValueError("repetition_time_tolerance_s is not below repetition_time_s")
        if self.maximum_missing_parcels >= self.parcel_count:
            raise ValueError("maximum_missing_parcels is not below parcel_count")
        return self


class Encoder(Part):
    """[encoder]; absent where the model has none."""

    name: Text
    family: Text
    sha256: Sha256
    source: Literal["bundled", "installed"]  # third-party weights are "installed", never bundled
    licence: Text
    token_order: Literal["identity", "stored"]
    permutations: Annotated[int, Field(ge=1)] = 1
    cls_layer: Text
    features: Text
    config: dict[str, Any]
    pretraining: Annotated[dict[str, Any], AfterValidator(check_finite)] = Field(
        default_factory=dict
    )
    pretraining_validation_loss: list[dict[str, float]] = Field(default_factory=list)


class CalibrationFields(Part):
    """[calibration]: probability = sigmoid(slope * log-odds + intercept)."""

    method: Text
    slope: Annotated[float, Field(ge=0.0)]  # 0 = everybody gets the base rate
    intercept: float


class Uncertainty(Part):
    """[uncertainty]: where the interval comes from."""

    method: Text
    log_odds_sd: Annotated[float, Field(ge=0.0)] | None = None


class Covariates(Part):
    """[covariates]: of the covariate-only rival, and those without which there is no number."""

    names: list[Literal["age_years", "sex_female", "mean_fd_mm", "baseline_pain"]]
    required: list[Literal["age_years", "sex_female", "mean_fd_mm", "baseline_pain"]]

    @model_validator(mode="after")
    def _agrees(self) -> Covariates:
        if len(set(self.names)) != len(self.names):
            raise ValueError("names holds a covariate twice")
        if extra := sorted(set(self.required) - set(self.names)):
            raise ValueError(f"required holds {extra[0]}, which is not in names")
        return self


class NoveltyFields(Part):
    """[novelty]"""

    method: Text
    limit_percentile: Annotated[float, Field(gt=0.0, le=100.0)]
    held_out_share_beyond_limit: Rate


class References(Part):
    """[references]: series and matrices that attributions start from."""

    kind: Literal["none", "group_statistics", "simulated_individuals", "individuals"]
    text: Text


class Histogram(Part):
    """[histogram]: held-out probabilities, counted."""

    edges: Annotated[list[Rate], Field(min_length=2, max_length=101)]
    responder: list[Annotated[float, Field(ge=0.0)]]
    non_responder: list[Annotated[float, Field(ge=0.0)]]

    @model_validator(mode="after")
    def _agrees(self) -> Histogram:
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise")
        for name, counts in (("responder", self.responder), ("non_responder", self.non_responder)):
            if len(counts) != len(self.edges) - 1:
                raise ValueError(f"{name} must hold one count a bin ({len(self.edges) - 1})")
            if any(not float(count).is_integer() for count in counts):
                raise ValueError(f"{name} must hold whole numbers of people")
        return self


class Golden(Part):
    """[[golden]]: one simulated person's score, for tests of the delivered program."""

    participant: Text
    scan_sha256: Sha256
    log_odds: float
    probability: Rate


class Weights(Part):
    """[weights]"""

    file: Literal["weights.safetensors"]
    sha256: Sha256
    statistics_sha256: Sha256 | None = None  # of statistics.safetensors, where there is one


class Canary(Part):
    """[canary]: the model's answer to one made-up scan."""

    log_odds: float
    tolerance: Annotated[float, Field(ge=0.0, le=0.01)]


class Reproducibility(Part):
    """[reproducibility]: what gives the same bits, and by how much the rest differs."""

    statement: Text
    probability_tolerance: Annotated[float, Field(ge=0.0, le=1e-3)]


class CardFields(Part):
    """A whole card."""

    format: Literal[2]
    model: Identity
    treatment: Treatment
    responder: Responder
    estimand: Estimand
    population: Population
    training: Training
    protocol: Protocol
    contract: Contract
    encoder: Encoder | None = None
    sizes: dict[str, Count] = Field(default_factory=dict)
    calibration: CalibrationFields
    uncertainty: Uncertainty
    covariates: Covariates
    novelty: NoveltyFields
    conformal: ConformalFields | None = None
    references: References
    metrics: Annotated[dict[str, Any], AfterValidator(check_figures)]
    attribution_truth: Annotated[dict[str, Any], AfterValidator(check_finite)] = Field(
        default_factory=dict
    )
    histogram: Histogram
    golden: list[Golden] = Field(default_factory=list)
    seeds: dict[str, int]
    weights: Weights
    canary: Canary
    reproducibility: Reproducibility
    versions: dict[str, Text]

    @model_validator(mode="after")
    def _agrees(self) -> CardFields:
        for problem in (*_figure_problems(self), *_people_problems(self)):
            raise ValueError(problem)
        return self

    @property
    def gain_interval(self) -> tuple[float, float] | None:
        """95 % interval of the AUROC gained over the best covariate-only rival."""
        low_high = self.metrics.get(GAIN_TABLE, {}).get("auroc_interval")
        return (float(low_high[0]), float(low_high[1])) if low_high else None

    @property
    def permutation_p(self) -> float | None:
        """Of the permutation test over the whole loop; None where there was none."""
        value = self.metrics.get(PERMUTATION_TABLE, {}).get("p_value")
        return float(value) if isinstance(value, float | int) else None

    @property
    def unearned(self) -> str:
        """Why the model may show nobody a number; "" if it may."""
        withheld = self.metrics.get(GATE_TABLE, {}).get("withheld", "")
        return unearned_reason(self.gain_interval, self.permutation_p, str(withheld))


def _figure_problems(card: CardFields) -> list[str]:
    problems = []
    if not card.model.use.startswith(RESEARCH_USE):
        problems.append(f"model.use must begin with '{RESEARCH_USE}'")
    if card.treatment.control_arm_modelled and card.treatment.comparator == "none":
        problems.append("treatment.comparator must be named where a control arm was modelled")
    for role in ("headline", "rival"):
        name = getattr(card.protocol, role)
        table = card.metrics.get(name)
        if table is None:
            problems.append(f"protocol.{role} names {name}, which is no table of metrics")
        elif not isinstance(table.get("auroc"), float | int):
            problems.append(f"metrics.{name}.auroc is missing")
        elif role == "headline" and "auroc_interval" not in table:
            problems.append(f"metrics.{name}.auroc_interval is missing")
    counted = (sum(card.histogram.responder), sum(card.histogram.non_responder))
    held_out, responders = card.training.held_out_count, card.training.held_out_responders
    if counted != (responders, held_out - responders):
        problems.append(
            f"histogram counts {counted[0]:g} and {counted[1]:g} people, training says "
            f"{responders} and {held_out - responders} were held out"
        )
    return problems


def _people_problems(card: CardFields) -> list[str]:
    """What a model made from people may not carry: anything of one person."""
    if card.model.simulated:
        return []
    problems = []
    if card.references.kind in ("individuals", "simulated_individuals"):
        problems.append(
            "references.kind: a bundle made from people carries no individual's series; use "
            "'group_statistics' or 'none'"
        )
    if card.golden:
        problems.append("golden: a bundle made from people carries nobody's score; remove it")
    problems += [
        f"training.sites: '{site.name}' must state a count of at least {FEWEST_AT_A_SITE}; "
        "pool smaller sites"
        for site in card.training.sites
        if site.count is None or site.count < FEWEST_AT_A_SITE
    ]
    if card.conformal is not None and not card.conformal.whole_steps:
        problems.append("conformal: values of people must be whole hundredths, nobody's own score")
    quantiles = card.sizes.get("novelty_quantiles", 0)
    most = max(PEOPLE_PER_QUANTILE, card.training.count // PEOPLE_PER_QUANTILE)
    if quantiles > most:
        problems.append(
            f"sizes.novelty_quantiles: {quantiles} quantiles of {card.training.count} people "
            f"would tell single people's distances; use at most {most}"
        )
    return problems
