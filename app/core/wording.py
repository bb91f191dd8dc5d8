"""Words for numbers: one text for the window, the command line, the PDF and the HTML.

Rules kept here: a probability never stands without its interval; "participants with similar
scores", never "will respond"; no "high" or "low"; no adjective for accuracy; nothing that
sounds like advice; what the model relied on is never called a cause. Functions take results
and return plain text; numbers use a dot and a true minus sign (U+2212).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from app.core.model_wording import NO_CONTROL_SENTENCE as NO_CONTROL_SENTENCE
from app.core.model_wording import SHARES_SHAPLEY as SHARES_SHAPLEY
from app.core.model_wording import control_arm_sentence as control_arm_sentence
from app.core.model_wording import gain_text as gain_text
from app.core.model_wording import limits_sentences as limits_sentences
from app.core.model_wording import treatment_text as treatment_text
from app.core.reason_wording import bare_reason as bare_reason
from app.core.results import (
    Case,
    ModelSummary,
    Novelty,
    Outcome,
    Prediction,
    QualityMetric,
    QualityReport,
    Severity,
    Verdict,
)

RUO_LINE = "Research use only - not for treatment decisions"
NOT_A_DEVICE = "Not a medical device. Not to be the sole basis of any decision."
SIMULATED_STAMP = "SIMULATED PERSON, SIMULATED TREATMENT"
RESEARCH_STAMP = "RESEARCH MODE: THIS NUMBER HAS NO MEANING FOR THIS PERSON"
NON_CAUSAL_CAPTION = "What the model relied on, not a cause of response."
ATTRIBUTION_BRANCH_CAPTION = (
    "(a) What each branch used: integrated gradients, inputs treated as independent."
)
ATTRIBUTION_SCAN_CAPTION = (
    "(b) What in the scan mattered: expected gradients, connectivity recomputed along the path."
)
ATTRIBUTION_WARNING = (
    "Red moved the estimate up, blue moved it down (in slices with a light line inside). Whole "
    "parcels are painted; a magnitude is not a p-value. Hatched: the two explanations disagree, "
    "or the value is unstable."
)
NO_MODEL_REASON = "No model trained on people is installed."
NO_MODEL_LIFT = "Install a model made from people and tested on others to get a number."
PROBABILITY_LABEL = "Estimated probability of meeting the responder definition"
NO_NUMBER_MEANING = (
    "No number does not mean yes and does not mean no. It says only that this scan, "
    "or the models at hand, cannot answer the question."
)
LIKENESS_STALE = "Likeness to the training participants: not shown until a new run."
NOT_SIGNED = "not signed"
PSEUDONYM_NOTE = "Pseudonymised, not free of identity: a connectome can identify a person."

RADIOLOGICAL = "Radiological"
NEUROLOGICAL = "Neurological"
CONVENTION_MEANING = {
    RADIOLOGICAL: "the participant's left is on the right of the picture",
    NEUROLOGICAL: "the participant's left is on the left of the picture",
}

OUTCOME_WORDS = {
    Outcome.RESULT: "Result",
    Outcome.INCONCLUSIVE: "Inconclusive",
    Outcome.WITHHELD: "Withheld",
}
VERDICT_WORDS = {
    Verdict.PASS: "Pass",
    Verdict.ATTENTION: "Attention",
    Verdict.WITHHELD: "Withheld",
}
SEVERITY_WORDS = {
    Severity.NOTE: "Note",
    Severity.WARNING: "Warning",
    Severity.BLOCKING: "Blocking",
}
MODALITY_WORDS = {
    "series": "Time series",
    "time_series": "Time series",
    "connectivity": "Connectivity",
    "fc": "Connectivity",
    "bias": "Starting value (bias)",
}


# --- numbers -----------------------------------------------------------------------------------


def number(value: float | None, digits: int = 3) -> str:
    """`digits` significant digits, never an exponent for 1e-4..1e6; "not known" for None."""
    if value is None:
        return "not known"
    if not math.isfinite(value):
        return "not available"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:.0f}".replace("-", "\N{MINUS SIGN}")
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if places > digits + 3 or abs(value) >= 1e6:
        return f"{value:.{digits - 1}e}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.{max(places, 0)}f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign always shown, fixed decimals: "+0.42", "−0.08"."""
    if not math.isfinite(value):
        return "not available"
    text = f"{value:+.{digits}f}"
    if float(text) == 0.0:
        text = f"{0.0:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _whole_percent(share: float) -> str:
    percent = 100.0 * share
    if 0.0 < percent < 0.5:
        return "under 1"
    if 99.5 <= percent < 100.0:
        return "over 99"
    return str(math.floor(percent + 0.5))


def percent(share: float) -> str:
    """A share as whole percent: "42 %"."""
    return f"{_whole_percent(share)} %"


def of_hundred(share: float) -> str:
    """A share as natural frequency: "42 of 100"."""
    return f"{_whole_percent(share)} of 100"


def interval_text(interval: tuple[float, float]) -> str:
    """ "95 % interval 31 to 62 %"."""
    return f"95 % interval {_whole_percent(interval[0])} to {_whole_percent(interval[1])} %"


def probability_text(probability: float, interval: tuple[float, float]) -> str:
    """ "46 % (95 % interval 31 to 62 %)"; the only way a probability is written."""
    return f"{percent(probability)} ({interval_text(interval)})"


def sentences(parts: Iterable[str]) -> str:
    """Several reasons one after the other, each with its full stop."""
    return " ".join(f"{part.strip().rstrip('.')}." for part in parts if part.strip())


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 scan", "3 scans"; `plural` where an s will not do, as "people"."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def short_hash(digest: str) -> str:
    """First eight characters of a hash."""
    return digest[:8] if digest else "none"


# --- outcome and probability -------------------------------------------------------------------


def outcome_word(outcome: Outcome) -> str:
    """Result, Inconclusive or Withheld."""
    return OUTCOME_WORDS[outcome]


def shows_number(prediction: Prediction | None) -> bool:
    """Whether a probability may be shown: never for Withheld, unless computed by override.

    An override (`research_only`) is stamped wherever it shows; see `stamps`.
    """
    return (
        prediction is not None
        and prediction.probability is not None
        and prediction.interval is not None
        and prediction.model is not None
        and (prediction.outcome is not Outcome.WITHHELD or prediction.research_only)
    )


def outcome_sentence(prediction: Prediction) -> str:
    """One plain sentence beside the outcome word; holds no number for Withheld."""
    if prediction.outcome is Outcome.WITHHELD and shows_number(prediction):
        return "A requirement is not met; the number below was computed by override."
    if prediction.outcome is Outcome.WITHHELD:
        return "No number is shown, because a requirement for showing one is not met."
    if prediction.outcome is Outcome.INCONCLUSIVE:
        return "The interval spans the cut-off, so no class is named. This is a normal outcome."
    return PROBABILITY_LABEL + "."


def cutoff_text(model: ModelSummary) -> str:
    """ "Cut-off 50 % (chosen on data)"."""
    return f"Cut-off {percent(model.cutoff)} ({model.cutoff_source})"


def cutoff_sentence(prediction: Prediction) -> str:
    """Where the interval lies against the cut-off; "" when there is no number."""
    model, interval = prediction.model, prediction.interval
    if not shows_number(prediction) or model is None or interval is None:
        return ""
    cutoff = f"the cut-off of {percent(model.cutoff)} ({model.cutoff_source})"
    if interval[0] > model.cutoff:
        return f"The whole interval lies above {cutoff}."
    if interval[1] < model.cutoff:
        return f"The whole interval lies below {cutoff}."
    return f"The interval spans {cutoff}."


def base_rate_text(model: ModelSummary) -> str:
    """ "Base rate 42 of 100 in the 160 participants that the model was made from."."""
    return (
        f"Base rate {of_hundred(model.base_rate)} in the {model.training_count} "
        f"{people(model)} that the model was made from."
    )


def natural_frequency_text(probability: float, model: ModelSummary) -> str:
    """ "Of 100 participants with similar scores, about 46 meet …; base rate 42 of 100."."""
    return (
        f"Of 100 {people(model)} with similar scores, about {_whole_percent(probability)} meet "
        f"the responder definition; base rate {of_hundred(model.base_rate)}."
    )


def people(model: ModelSummary) -> str:
    """ "participants" or "simulated participants", never "patients"."""
    return "simulated participants" if model.simulated else "participants"


def question_text(model: ModelSummary) -> str:
    """What is asked: drug, responder definition in full, population and count."""
    return (
        f"{treatment_text(model)}. Responder definition: "
        f"{with_signs(model.responder_definition.rstrip('.'))}. "
        f"Learned from: {model.population} (n = {model.training_count})."
    )


def covariate_text(prediction: Prediction) -> str:
    """Covariate-only probability and the difference from the full model; "" when withheld."""
    if (
        not shows_number(prediction)
        or prediction.covariate_probability is None
        or prediction.probability is None
    ):
        return ""
    points = 100.0 * (prediction.probability - prediction.covariate_probability)
    return (
        "Covariates only (age, sex, motion, baseline pain): "
        f"{percent(prediction.covariate_probability)} (its interval is not estimated); "
        f"difference {signed(points, 0)} percentage points."
    )


def plain_paragraph(prediction: Prediction, *, with_reasons: bool = True) -> str:
    """The plain-language paragraph; belongs beside its plot, never alone.

    `with_reasons` repeats the reasons of a withheld outcome; leave them out where they stand
    directly above.
    """
    model = prediction.model
    if (
        not shows_number(prediction)
        or model is None
        or prediction.probability is None
        or prediction.interval is None
    ):
        told = sentences(map(bare_reason, prediction.reasons)) if with_reasons else ""
        parts = ("The program gives no number for this scan.", told, NO_NUMBER_MEANING)
        return " ".join(part for part in parts if part)
    first = (
        f"The program looked at this scan and compared it with {model.training_count} "
        f"{people(model)}. {natural_frequency_text(prediction.probability, model)}"
    )
    second = (
        f"The estimate is not exact: values from {_whole_percent(prediction.interval[0])} to "
        f"{_whole_percent(prediction.interval[1])} of 100 fit the data too. "
        f"{cutoff_sentence(prediction)}"
    )
    third = "It describes a group with similar scores and cannot say what one person will feel."
    if prediction.research_only:
        third += " This scan did not pass the checks: the number has no meaning for this person."
    elif model.simulated:
        third += " The person, the scan and the treatment here are simulated by a computer."
    return f"{first} {second} {third}"


# --- reasons, quality, likeness ----------------------------------------------------------------


def metric_value(metric: QualityMetric) -> str:
    """Value with unit: "0.120 mm"; a share is written in percent."""
    unit = metric.unit.strip()
    if unit in ("share", "fraction"):
        return f"{number(100.0 * metric.value)} %"
    return f"{number(metric.value)} {unit}" if unit and unit != "1" else number(metric.value)


def limit_text(metric: QualityMetric) -> str:
    """The limit with proper signs: "pass ≤ 0.25, withheld > 0.5"."""
    return with_signs(metric.limit)


def with_signs(text: str) -> str:
    """A text as it is read: "≥ 30 % reduction" of ">= 30 % reduction"."""
    for plain, sign in (("<=", "≤"), (">=", "≥"), ("+-", "±"), ("+/-", "±")):
        text = text.replace(plain, sign)
    return text


def gate_reason(metric: QualityMetric) -> str:
    """Which gate, its value and its limit: what a withheld case says."""
    return f"{metric.label}: {metric_value(metric)} (limit: {limit_text(metric)})."


def interval_reason(interval: tuple[float, float], model: ModelSummary) -> str:
    """Why a case is inconclusive."""
    return f"The {interval_text(interval)} spans the cut-off of {percent(model.cutoff)}."


def failed_gates(quality: QualityReport | None) -> tuple[QualityMetric, ...]:
    """The metrics that withhold a number."""
    if quality is None:
        return ()
    return tuple(m for m in quality.metrics if m.verdict is Verdict.WITHHELD)


def likeness_text(novelty: Novelty | None) -> str:
    """How near the participant lies to the training participants."""
    if novelty is None:
        return "Likeness to the training participants was not measured."
    if novelty.verdict is Verdict.WITHHELD and novelty.percentile <= novelty.limit:
        place = "farther out than every training participant: beyond any limit"
    else:
        place = (
            f"percentile {number(novelty.percentile)} among the training participants' own "
            f"distances (limit {number(novelty.limit)}; 0 = most like them)"
        )
    return f"Novelty: {place}. Nearest: {novelty.nearest}."


def modality_word(key: str) -> str:
    """Readable name of an input of the model."""
    return MODALITY_WORDS.get(key, key.replace("_", " ").capitalize())


def hidden_text(hidden: int, total: int, what: str = "regions") -> str:
    """ "381 of 424 regions below threshold"."""
    return f"{hidden} of {total} {what} below threshold"


def metric_text(model: ModelSummary) -> str:
    """Held-out AUROC with interval, and the covariate-only figure beside it."""
    low, high = model.auroc_interval
    return (
        f"Held-out AUROC {model.auroc:.2f} (95 % interval {low:.2f} to {high:.2f}); "
        f"covariates only {model.covariate_auroc:.2f}"
    )


# --- stamps ------------------------------------------------------------------------------------


def stamps(*, simulated: bool, research_only: bool) -> tuple[str, ...]:
    """What must stand on every view and page, most important first."""
    result = []
    if simulated:
        result.append(SIMULATED_STAMP)
    if research_only:
        result.append(RESEARCH_STAMP)
    return tuple(result)


def case_stamps(case: Case) -> tuple[str, ...]:
    """Stamps of a case: simulated scan, research override."""
    prediction = case.prediction
    return stamps(
        simulated=case.scan.simulated,
        research_only=prediction is not None and prediction.research_only,
    )


def join(parts: Sequence[str]) -> str:
    """Non-empty parts joined by a middle dot."""
    return " · ".join(part for part in parts if part)
