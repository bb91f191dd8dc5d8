"""Repetition time and slice times: stated, sidecar or header, and which of them counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from app.core.results import Finding, Severity
from app.scans.faults import Fault
from app.scans.geometry import Affine, closest_axes
from app.scans.header import RawHeader

LIMITS_S = (0.2, 6.0)
DISAGREE_S = 0.001
_TIME_UNITS = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}  # Hz, ppm and rad/s are no times
_STATE_IT = "Check the protocol, then state the repetition time when opening the scan."


def header_repetition_time_s(header: RawHeader) -> float | None:
    """The header's repetition time in seconds by its own unit; None when it has none."""
    factor = _TIME_UNITS.get(header.xyzt_units & 0x38)
    value = header.pixdim[4]
    if factor is None or not math.isfinite(value) or value == 0:
        return None
    return round(value * factor, 6)  # float32 has no more than these digits


def judge_repetition_time(
    header: RawHeader, sidecar: Mapping[str, Any], stated_s: float | None
) -> tuple[float, str, list[Fault], list[Finding]]:
    """Repetition time in s, its source ("user", "sidecar", "header"), faults and findings.

    A stated value wins, then the sidecar's ``RepetitionTime``, then the header. The winner
    must lie within `LIMITS_S`; nothing replaces a bad one silently.
    """
    findings: list[Finding] = []
    in_header = header_repetition_time_s(header)
    in_sidecar = _number(sidecar.get("RepetitionTime"))
    known = {"user": stated_s, "sidecar": in_sidecar, "header": in_header}
    source = next((name for name, value in known.items() if value is not None), "")
    value = known.get(source)
    if value is None:
        fault = Fault(
            "scan.tr_missing", "Neither header nor sidecar gives a repetition time.", _STATE_IT
        )
        return 0.0, "", [fault], findings
    if not (math.isfinite(value) and LIMITS_S[0] <= value <= LIMITS_S[1]):
        return 0.0, source, [_out_of_range(value, source)], findings
    others = {k: v for k, v in known.items() if v is not None and k != source}
    for name, other in others.items():
        if abs(other - value) > DISAGREE_S:
            findings.append(
                Finding(
                    "scan.tr_disagrees",
                    Severity.WARNING,
                    f"The repetition time differs: {value:g} s ({source}), {other:g} s ({name}); "
                    f"{value:g} s is used.",
                    "Check the protocol of the scan.",
                )
            )
    if source == "header" and value == 1.0:
        findings.append(
            Finding(
                "scan.tr_placeholder",
                Severity.WARNING,
                "The repetition time of exactly 1 s stands in the header only; many programs "
                "write 1 when they do not know it.",
                _STATE_IT,
            )
        )
    if source == "header" and header.xyzt_units & 0x38 == 0:
        findings.append(
            Finding(
                "scan.tr_unit",
                Severity.NOTE,
                f"The header names no unit of time; {value:g} is taken as seconds.",
            )
        )
    return value, source, [], findings


def _out_of_range(value: float, source: str) -> Fault:
    where = {"user": "The stated", "sidecar": "The sidecar's", "header": "The header's"}[source]
    hint = _STATE_IT
    if LIMITS_S[0] <= value / 1000.0 <= LIMITS_S[1]:
        hint = f"It looks like milliseconds: {value / 1000.0:g} s. " + _STATE_IT
    low, high = LIMITS_S
    message = f"{where} repetition time is {value:g} s; {low:g} to {high:g} s are possible."
    return Fault("scan.tr_out_of_range", message, hint)


def slice_times(
    sidecar: Mapping[str, Any], header: RawHeader, affine: Affine, repetition_time_s: float
) -> tuple[tuple[float, ...], list[Finding]]:
    """Acquisition time of each slice from the lowest (RAS+ z) up, in s; () when unknown.

    BIDS lists ``SliceTiming`` along ``SliceEncodingDirection`` ("k" if absent) of the storage
    order. Slices that do not run along world z have no place in this order and are dropped.
    """
    stored = sidecar.get("SliceTiming")
    if stored is None:
        return (), []
    times = [_number(value) for value in stored] if isinstance(stored, list) else []
    direction = str(sidecar.get("SliceEncodingDirection", "k"))
    axis = {"i": 0, "j": 1, "k": 2}.get(direction[:1], -1)
    good = [value for value in times if value is not None and 0 <= value < repetition_time_s]
    if axis < 0 or len(good) != len(times) or len(times) != header.shape[axis]:
        return (), [
            Finding(
                "scan.slice_timing_damaged",
                Severity.WARNING,
                f"The sidecar's slice times do not fit the image ({len(times)} values); they are "
                "not used.",
            )
        ]
    axes, flips = closest_axes(affine)
    if axes[2] != axis:
        return (), [
            Finding(
                "scan.slice_timing_not_axial",
                Severity.NOTE,
                "The slices do not run from bottom to top; their times are not used.",
            )
        ]
    backwards = direction.endswith("-") != flips[2]
    return tuple(reversed(good)) if backwards else tuple(good), []


def _number(value: Any) -> float | None:
    """A JSON number as float; None for anything else, a text or a truth value included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
