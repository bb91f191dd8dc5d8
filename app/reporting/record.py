"""The machine-readable record that is attached to the PDF: everything on its pages, as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from enum import Enum
from typing import Any

import numpy as np

from app.core import wording
from app.core.explanation_health import ExplanationHealth
from app.core.results import Attribution, Case, CleanSignals, Motion, Scan
from app.core.signing import UNSIGNED, ReaderNote
from app.reporting.privacy import scrubbed
from app.reporting.ranking import hemisphere_sums, network_sums, top_connections, top_regions

FORMAT = "neuroresponder-report"
FORMAT_VERSION = 1


def report_record(case: Case, *, convention: str, note: ReaderNote = UNSIGNED) -> dict[str, Any]:
    """JSON-able record of a case that passed `privacy.reportable`.

    Non-finite numbers become null. Full matrices and time series stay in the case folder.
    """
    prediction = case.prediction
    record = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "language": "en",
        "intended_use": wording.RUO_LINE,
        "stamps": wording.case_stamps(case),
        "convention": convention,
        "case_id": case.case_id,
        "participant": _plain(case.participant),
        "scan": _scan(case.scan),
        "findings": _plain(case.findings),
        "motion": _motion(case.motion),
        "signals": _signals(case.signals),
        "quality": _plain(case.quality),
        "connectivity": None
        if case.connectome is None
        else {"kind": case.connectome.kind, "frame_count": case.connectome.frame_count},
        "prediction": None if prediction is None else _plain(prediction),
        "attribution": _attribution(case.attribution, case.signals, case),
        "explanation_health": _health(case.health),
        "sensitivity": None if case.sensitivity is None else _plain(case.sensitivity),
        "provenance": _plain(case.provenance),
        "reader": _plain(note),
    }
    result = scrubbed(record)
    assert isinstance(result, dict)
    return result


def record_bytes(record: dict[str, Any]) -> bytes:
    """The one spelling of the record that is attached and hashed."""
    return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _scan(scan: Scan) -> Any:
    """The scan; an order of storage that nobody knows is null."""
    known = scan.orientation_known
    return {**_plain(scan), **({} if known else {"storage_orientation": None})}


def _motion(motion: Motion | None) -> Any:
    if motion is None:
        return None
    return {
        "framewise_displacement_mm": _plain(motion.framewise_displacement_mm),
        "framewise_displacement_jenkinson_mm": _plain(motion.framewise_displacement_jenkinson_mm),
        "reference_frame": motion.reference_frame,
        "uncertain_frames": _plain(motion.uncertain_frames),
    }


def _signals(signals: CleanSignals | None) -> Any:
    if signals is None:
        return None
    return {
        "atlas": signals.atlas,
        "template": signals.template,
        "parcel_count": len(signals.parcel_names),
        "preset": signals.preset,
        "repetition_time_s": signals.repetition_time_s,
        "first_frame": signals.first_frame,
        "frame_count": int(signals.good_frames.size),
        "good_frames": _plain(signals.good_frames),
        "residual_degrees_of_freedom": _plain(signals.residual_degrees_of_freedom),
        "std_dvars": _plain(signals.confounds.get("std_dvars")),
    }


def _attribution(attribution: Attribution | None, signals: CleanSignals | None, case: Case) -> Any:
    if attribution is None or signals is None:
        return None
    branches = {
        name: {
            "method": branch.method,
            "completeness_error": _plain(branch.completeness_error),
            "output_difference": _plain(branch.output_difference),
            "nodes": branch.nodes,
            "converged": branch.converged,
            "map_change": _plain(branch.map_change),
            "per_parcel": _plain(branch.per_parcel),
        }
        for name, branch in (("branches", attribution.branches), ("scan", attribution.scan))
    }
    matrix = None if case.connectome is None else case.connectome.matrix
    return {
        "target": attribution.target,
        "unit": "log-odds",
        "agreement_spearman": _plain(attribution.agreement),
        "reference": attribution.reference,
        "parcel_names": _plain(signals.parcel_names),
        "parcel_networks": _plain(signals.networks),
        "disagreeing": _plain(attribution.disagreeing),
        **branches,
        "network_sums": [
            {"network": name, "positive": up, "negative": down}
            for name, up, down in network_sums(attribution.scan.per_parcel, signals.networks)
        ],
        "hemisphere_sums": [
            {"hemisphere": name, "positive": up, "negative": down}
            for name, up, down in hemisphere_sums(attribution.scan.per_parcel, signals.hemispheres)
        ],
        "patch_frames": attribution.patch_frames,
        "top_regions": [
            dataclasses.asdict(row) for row in top_regions(attribution, signals, health=case.health)
        ],
        "top_connections": [
            _plain(dataclasses.asdict(row))
            for row in top_connections(attribution, signals, matrix, health=case.health)
        ],
    }


def _health(health: ExplanationHealth | None) -> Any:
    """Everything but the repeats' maps and the matrix of stability, which stay in the case."""
    if health is None:
        return None
    return {
        "stability_limit": health.limit,
        "stability": _plain(health.stability),
        "unstable": _plain(health.unstable),
        "unstable_connections": int(np.triu(health.unstable_connections, 1).sum()),
        "repeats": [
            {
                "kind": one.kind,
                "name": one.name,
                "agreement_spearman": _plain(one.agreement),
                "agreement_connections_spearman": _plain(one.connections_agreement),
                "output_difference": _plain(one.output_difference),
                "completeness_error": _plain(one.completeness_error),
                "nodes": one.nodes,
            }
            for one in health.repeats
        ],
        "sanity": [{**_plain(one), "passed": one.passed} for one in health.sanity],
        "univariate": _plain(health.univariate),
        "univariate_text": health.univariate_text,
        "missing": _plain(health.missing),
    }
