"""Voxel checks after unpacking: values that are no numbers, empty volumes, no signal at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.results import Finding, Severity
from app.scans.faults import Fault
from app.scans.header import RawHeader, scaling

NON_FINITE_LIMIT = 0.001  # share of the values inside the field of view that may be masked
CONSTANT_LIMIT = 0.5  # share of the volumes that may be without contrast
LARGEST_VALUE = 1e30  # beyond this float32 sums overflow
_USE_RAW = "Use the functional run as the scanner wrote it."


@dataclass(frozen=True, slots=True)
class _Survey:
    """Extremes of each volume, and whether any two volumes differ."""

    lowest: NDArray[np.float64]  # (frame,)
    highest: NDArray[np.float64]
    changes: bool


def map_voxels(path: Path, header: RawHeader, mode: str) -> NDArray[Any]:
    """Memory map of a raw voxel file, (x, y, z, frame) in storage order, native bytes."""
    native = header.dtype.newbyteorder("=")
    mapped: NDArray[Any] = np.memmap(path, native, mode, shape=header.shape, order="F")  # type: ignore[call-overload]
    return mapped


def check_voxels(
    path: Path, header: RawHeader, step: Callable[[float, str], None]
) -> tuple[list[Fault], list[Finding]]:
    """Judge the unpacked voxels; values that are no numbers are masked in the private copy.

    A voxel that is NaN or infinite in every frame lies outside the field of view (some
    programs write NaN there) and becomes 0. Of all other values at most 0.1 % may be NaN or
    infinite; these become 0 too, and the count is shown. More rejects the scan.
    """
    survey = _survey(map_voxels(path, header, "r"), step)
    findings: list[Finding] = []
    if not (np.isfinite(survey.lowest).all() and np.isfinite(survey.highest).all()):
        faults, findings = _mask_non_finite(map_voxels(path, header, "r+"), header, step)
        if faults:
            return faults, findings
        survey = _survey(map_voxels(path, header, "r"), step)
    slope, intercept = scaling(header)
    with np.errstate(over="ignore"):
        extremes = np.array([survey.lowest.min(), survey.highest.max()]) * slope + intercept
    if not (np.abs(extremes) <= LARGEST_VALUE).all():
        fault = Fault("scan.scaling", f"Scaled values reach {np.abs(extremes).max():g}.")
        return [fault], findings
    if survey.lowest.min() == survey.highest.max():
        what = "zero" if survey.highest.max() == 0 else "the same value"
        fault = Fault("scan.constant", f"Every voxel of the run is {what}.", _USE_RAW)
        return [fault], findings
    if not survey.changes:
        fault = Fault("scan.no_variation", "All volumes are the same: nothing changes.", _USE_RAW)
        return [fault], findings
    flat = np.flatnonzero(survey.lowest == survey.highest)
    if flat.size > CONSTANT_LIMIT * header.shape[3]:
        fault = Fault(
            "scan.constant", f"{flat.size} of {header.shape[3]} volumes are empty.", _USE_RAW
        )
        return [fault], findings
    if flat.size:
        findings.append(_flat_finding(flat))
    if slope < 0:
        findings.append(
            Finding(
                "scan.negative_slope",
                Severity.WARNING,
                f"The header scales by a negative slope ({slope:g}): contrast is inverted.",
            )
        )
    return [], findings


def _survey(data: NDArray[Any], step: Callable[[float, str], None]) -> _Survey:
    frames = data.shape[3]
    lowest, highest = np.empty(frames), np.empty(frames)
    changes = False
    first = data[..., 0]
    for frame in range(frames):
        volume = data[..., frame]
        lowest[frame], highest[frame] = volume.min(), volume.max()
        changes = changes or (frame > 0 and not np.array_equal(first, volume))
        step(frame / frames, "Checking voxels")
    return _Survey(lowest, highest, changes)


def _mask_non_finite(
    data: NDArray[Any], header: RawHeader, step: Callable[[float, str], None]
) -> tuple[list[Fault], list[Finding]]:
    frames = data.shape[3]
    bad_frames = np.zeros(data.shape[:3], dtype=np.int64, order="F")
    for frame in range(frames):
        bad_frames += ~np.isfinite(data[..., frame])
        step(frame / frames, "Looking for values that are no numbers")
    outside = bad_frames == frames
    scattered = int(bad_frames[~outside].sum())
    inside = int((~outside).sum()) * frames
    if scattered > NON_FINITE_LIMIT * inside or not inside:
        return [
            Fault(
                "scan.not_finite",
                f"{scattered if inside else outside.sum() * frames} values of the run are not "
                "finite (NaN or infinite).",
                _USE_RAW,
            )
        ], []
    slope, intercept = scaling(header)
    fill = data.dtype.type(-intercept / slope)
    for frame in range(frames):
        volume = data[..., frame]
        volume[~np.isfinite(volume)] = fill
        step(frame / frames, "Masking values that are no numbers")
    if isinstance(data, np.memmap):
        data.flush()
    findings = []
    if outside.any():
        findings.append(
            Finding(
                "scan.outside_not_finite",
                Severity.NOTE,
                f"{int(outside.sum())} voxels hold no number in any volume; they count as "
                "outside the field of view.",
            )
        )
    if scattered:
        findings.append(
            Finding(
                "scan.not_finite_masked",
                Severity.WARNING,
                f"{scattered} values were NaN or infinite and were set to 0.",
                _USE_RAW,
            )
        )
    return [], findings


def _flat_finding(flat: NDArray[np.intp]) -> Finding:
    shown = ", ".join(str(frame) for frame in flat[:8]) + (", ..." if flat.size > 8 else "")
    return Finding(
        "scan.constant_volumes",
        Severity.WARNING,
        f"{flat.size} volumes have no contrast (first = 0): {shown}.",
        "They may be lost volumes; check the recording.",
    )
