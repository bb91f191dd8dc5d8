"""The readable head of ``case.json``, and the rule that a withheld number is nowhere."""

from __future__ import annotations

import math
from typing import Any

from app.core.conformal_wording import set_name
from app.core.explanation_health import REPEAT_KINDS, ExplanationHealth
from app.core.results import Attribution, Case, Outcome, Prediction, QualityReport
from app.core.wording import RESEARCH_STAMP
from app.study.codec import encode

_EXPLAINING = ("attribution", "health", "sensitivity")  # parts of a case that give a number away


def case_summary(case: Case) -> dict[str, Any]:
    """What outside tools read first: plain JSON values, null where there is no number.

    A number that research mode computed against a gate stands apart under ``research`` with its
    stamp, so that a tool which knows only ``probability`` never takes it for an answer.

    Holds case_id, participant_uuid, scan_sha256, outcome, reasons, research_only, simulated,
    probability, interval, conformal_set, base_rate, responder_definition, drug, model, atlas,
    quality, novelty,
    attribution, provenance, findings.
    """
    prediction = case.prediction
    model = prediction.model if prediction else None
    shown = prediction is not None and prediction.outcome is not Outcome.WITHHELD
    return {
        "case_id": case.case_id,
        "participant_uuid": case.participant.uuid,
        "scan_sha256": case.scan.sha256,
        "outcome": prediction.outcome.value if prediction else None,
        "reasons": list(prediction.reasons) if prediction else [],
        "research_only": prediction.research_only if prediction else False,
        "simulated": case.scan.simulated,
        "probability": _number(prediction.probability) if shown and prediction else None,
        "interval": _interval(prediction) if shown else None,
        "conformal_set": _conformal(prediction) if shown else None,
        "research": _research(prediction),
        "base_rate": model.base_rate if model else None,
        "responder_definition": model.responder_definition if model else None,
        "drug": model.drug if model else None,
        "model": {"id": model.model_id, "weights_sha256": model.weights_sha256} if model else None,
        "atlas": case.signals.atlas if case.signals else None,
        "quality": quality_summary(case.quality),
        "novelty": _plain(prediction.novelty) if prediction and prediction.novelty else None,
        "attribution": _attribution(case.attribution, prediction),
        "explanation_health": _health(case.health),
        "sensitivity": _plain(case.sensitivity) if case.sensitivity else None,
        "provenance": _plain(case.provenance),
        "findings": _plain(list(case.findings)),
    }


def leaked_numbers(case: Case) -> tuple[str, ...]:
    """Names of fields by which a withheld answer could be read or worked out; empty is right.

    A case computed in research mode (`Prediction.research_only`) keeps its numbers: everything
    that shows it is stamped.
    """
    prediction = case.prediction
    if prediction is None or prediction.outcome is not Outcome.WITHHELD or prediction.research_only:
        return ()
    names = (
        "probability",
        "interval",
        "log_odds",
        "log_odds_windows",
        "covariate_probability",
        "contributions",
        "conformal",
    )
    leaks = [name for name in names if getattr(prediction, name) is not None]
    leaks += [name for name in _EXPLAINING if getattr(case, name) is not None]
    return tuple(leaks)


def _research(prediction: Prediction | None) -> dict[str, Any] | None:
    if prediction is None or not prediction.research_only:
        return None
    return {
        "stamp": RESEARCH_STAMP,
        "probability": _number(prediction.probability),
        "interval": _interval(prediction),
        "conformal_set": _conformal(prediction),
    }


def _conformal(prediction: Prediction | None) -> dict[str, Any] | None:
    if prediction is None or prediction.conformal is None:
        return None
    found = prediction.conformal
    return {
        "set": set_name(found),
        "level": found.level,
        "coverage_range": list(found.coverage_range),
        "calibration_people": found.calibration_people,
    }


def _interval(prediction: Prediction | None) -> list[float | None] | None:
    if prediction is None or prediction.interval is None:
        return None
    return [_number(bound) for bound in prediction.interval]


def quality_summary(report: QualityReport | None) -> dict[str, Any] | None:
    """Every metric with value, limit, source and verdict, and the version of the table."""
    if report is None:
        return None
    metrics = {
        metric.name: {
            "value": _number(metric.value),
            "unit": metric.unit,
            "limit": metric.limit,
            "source": metric.source,
            "verdict": metric.verdict.value,
        }
        for metric in report.metrics
    }
    informing = {
        metric.name: {
            "value": _number(metric.value),
            "unit": metric.unit,
            "source": metric.source,
        }
        for metric in report.informing
    }
    return {
        "verdict": report.verdict.value,
        "table": report.table_version,
        "metrics": metrics,
        "informing": informing,
    }


def _attribution(found: Attribution | None, prediction: Prediction | None) -> Any:
    if found is None:
        return None
    contributions = prediction.contributions if prediction else None
    return {
        "completeness_error": _number(found.branches.completeness_error),
        "completeness_error_scan": _number(found.scan.completeness_error),
        "modality_contribution": _plain(contributions),
        "agreement": _number(found.agreement),
        "nodes": found.branches.nodes,
        "nodes_scan": found.scan.nodes,
        "converged": found.branches.converged and found.scan.converged,
    }


def _health(found: ExplanationHealth | None) -> Any:
    if found is None:
        return None
    return {
        "stability_limit": found.limit,
        "unstable_parcels": int(found.unstable.sum()),
        "agreement": {
            kind: [_number(one.agreement) for one in found.of_kind(kind)]
            for kind in REPEAT_KINDS
            if found.of_kind(kind)
        },
        "sanity": {one.kind: _number(one.similarity) for one in found.sanity},
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _plain(value: Any) -> Any:
    """JSON without the codec's tags and without arrays: for reading, not for rebuilding."""
    return _untagged(encode(value, {}))


def _untagged(data: Any) -> Any:
    if isinstance(data, list):
        return [_untagged(item) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        ((tag, content),) = data.items()
        if tag == "$float" or tag == "$array":
            return None
        if tag in ("$tuple", "$map", "$path"):
            return _untagged(content)
    return {key: _untagged(item) for key, item in data.items()}
