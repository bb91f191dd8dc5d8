"""Where the voxels lie: affine from sform or qform, and the way to RAS+ without copying."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.results import Finding, Severity
from app.scans.faults import Fault
from app.scans.header import RawHeader

VOXEL_LIMITS_MM = (0.3, 20.0)
MAXIMUM_ORIGIN_MM = 5000.0
DISAGREE_MM = 0.5  # between sform and qform, at the corner where they differ most
_UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown counts as mm
_NEGATIVE, _POSITIVE = "LPI", "RAS"
Affine = NDArray[np.float64]


def judge_geometry(header: RawHeader) -> tuple[Affine, list[Fault], list[Finding]]:
    """Affine in force (storage voxel -> mm), with all faults and findings about it.

    The sform wins when its code is above 0, then the qform. With neither, left cannot be
    told from right: a blocking finding, and an upright affine so that the run can be seen.
    """
    faults: list[Fault] = []
    findings: list[Finding] = []
    unit = header.xyzt_units & 7
    factor = _UNITS_MM.get(unit, 1.0)
    sizes = np.array(header.pixdim[1:4], dtype=np.float64) * factor
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        text = " x ".join(f"{size:g}" for size in header.pixdim[1:4])
        faults.append(Fault("scan.voxel_size", f"The voxel size is {text}."))
        sizes = np.ones(3)
    elif unit in (1, 3):
        name = {1: "metres", 3: "micrometres"}[unit]
        findings.append(
            Finding(
                "scan.space_unit",
                Severity.NOTE,
                f"The header gives lengths in {name}; they were converted to millimetres.",
            )
        )
    sform = _sform(header, factor) if header.sform_code > 0 else None
    qform = _qform(header, factor, sizes) if header.qform_code > 0 else None
    affine = sform if header.sform_code > 0 else qform
    if header.sform_code <= 0 and header.qform_code <= 0:
        affine = _upright(header, sizes)
        findings.append(
            Finding(
                "scan.orientation_unknown",
                Severity.BLOCKING,
                "The header does not say how the image lies in the scanner (sform and qform "
                "codes are both 0): left and right are unknown.",
                "Convert the original DICOM series again; no prediction is made from this file.",
            )
        )
    affine_faults = _affine_faults(affine, header)
    faults.extend(affine_faults)
    if affine is None or affine_faults:
        return np.eye(4), faults, findings
    if header.sform_code > 0 and header.qform_code > 0:
        findings.extend(_disagreement(affine, qform, header))
    findings.extend(_shape_findings(affine, sizes))
    return affine, faults, findings


def _sform(header: RawHeader, factor: float) -> Affine:
    affine = np.eye(4)
    affine[:3] = np.array(header.srow, dtype=np.float64).reshape(3, 4) * factor
    return affine


def _qform(header: RawHeader, factor: float, sizes: NDArray[Any]) -> Affine | None:
    """Affine of the quaternion (nifti1.h, method 2), or None when it is no rotation."""
    b, c, d = header.quatern
    rest = 1.0 - (b * b + c * c + d * d)
    if not math.isfinite(rest) or rest < -1e-5:
        return None
    if rest < 1e-7:  # a half turn: rounding of float32 must not tilt the image
        length = math.sqrt(b * b + c * c + d * d)
        a, b, c, d = 0.0, b / length, c / length, d / length
    else:
        a = math.sqrt(rest)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handed = np.array([1.0, 1.0, -1.0 if header.pixdim[0] < 0 else 1.0])
    affine = np.eye(4)
    affine[:3, :3] = rotation * (sizes * handed)
    affine[:3, 3] = np.array(header.qoffset) * factor
    return affine


def _upright(header: RawHeader, sizes: NDArray[Any]) -> Affine:
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = -0.5 * (np.maximum(header.shape[:3], 1) - 1) * sizes
    return affine


def _affine_faults(affine: Affine | None, header: RawHeader) -> list[Fault]:
    source = "sform" if header.sform_code > 0 else "qform"
    if affine is None or not np.isfinite(affine).all():
        return [Fault("scan.affine", f"The {source} holds values that are no orientation.")]
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        return [Fault("scan.affine", f"The {source} is singular: an axis has no length.")]
    low, high = VOXEL_LIMITS_MM
    if lengths.min() < low or lengths.max() > high:
        text = " x ".join(f"{length:g}" for length in lengths)
        return [
            Fault(
                "scan.voxel_size",
                f"The voxels measure {text} mm; {low:g} to {high:g} mm are possible.",
                "The header may give metres or centimetres instead of millimetres.",
            )
        ]
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 0.1:
        return [Fault("scan.affine", f"The {source} is singular: its axes lie in one plane.")]
    if np.abs(affine[:3, 3]).max() > MAXIMUM_ORIGIN_MM:
        return [Fault("scan.affine", f"The {source} places the image metres away.")]
    return []


def _disagreement(sform: Affine, qform: Affine | None, header: RawHeader) -> list[Finding]:
    if qform is None or not np.isfinite(qform).all():
        return [
            Finding(
                "scan.qform_damaged",
                Severity.WARNING,
                "The qform is damaged; the sform is used.",
                "Check left and right on the images.",
            )
        ]
    last = np.array(header.shape[:3]) - 1
    corners = np.array(
        [[x, y, z, 1] for x in (0, last[0]) for y in (0, last[1]) for z in (0, last[2])]
    )
    with np.errstate(over="ignore"):
        largest = float(np.abs(corners @ (sform - qform).T)[:, :3].max())
    if largest <= DISAGREE_MM:
        return []
    mirrored = np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0
    turned = axis_codes(sform) != axis_codes(qform)
    same_space = header.sform_code == header.qform_code
    serious = mirrored or turned or same_space
    which = "left and right are swapped between them" if mirrored else f"up to {largest:.1f} mm"
    return [
        Finding(
            "scan.sform_qform_disagree",
            Severity.WARNING if serious else Severity.NOTE,
            f"sform (code {header.sform_code}) and qform (code {header.qform_code}) disagree: "
            f"{which}. The sform is used.",
            "Check left and right on the images.",
        )
    ]


def _shape_findings(affine: Affine, sizes: NDArray[Any]) -> list[Finding]:
    findings = []
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(lengths / sizes - 1.0).max() > 0.01:
        ours, theirs = (" x ".join(f"{v:.3g}" for v in values) for values in (lengths, sizes))
        findings.append(
            Finding(
                "scan.voxel_size_disagrees",
                Severity.WARNING,
                f"The orientation says voxels of {ours} mm, the header's size says {theirs} mm; "
                "the orientation is used.",
            )
        )
    cosines = affine[:3, :3] / lengths
    skew = float(np.abs(cosines.T @ cosines - np.eye(3)).max())
    if skew > 0.02:
        findings.append(
            Finding(
                "scan.sheared",
                Severity.WARNING,
                f"The image axes are not at right angles (cosine {skew:.2f}).",
                "This may be a resampled image; use the run as it left the scanner.",
            )
        )
    return findings


def closest_axes(affine: Affine) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Storage axis that lies closest to each world axis, and whether it runs backwards.

    Of the six assignments the one with the largest summed cosine is taken (the first of
    equals, so the answer is the same everywhere).
    """
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    best = max(
        permutations(range(3)),
        key=lambda axes: round(sum(abs(float(cosines[w, axes[w]])) for w in range(3)), 9),
    )
    flips = tuple(bool(cosines[world, best[world]] < 0) for world in range(3))
    return (best[0], best[1], best[2]), (flips[0], flips[1], flips[2])


def axis_codes(affine: Affine) -> str:
    """Storage orientation such as "LAS": where each storage axis runs to."""
    axes, flips = closest_axes(affine)
    codes = [""] * 3
    for world, (axis, backwards) in enumerate(zip(axes, flips, strict=True)):
        codes[axis] = (_NEGATIVE if backwards else _POSITIVE)[world]
    return "".join(codes)


def to_canonical(data: NDArray[Any], affine: Affine) -> tuple[NDArray[Any], Affine]:
    """View of `data` (x, y, z, ...) in closest RAS+ order and its affine; nothing is copied."""
    axes, flips = closest_axes(affine)
    view = data.transpose(*axes, *range(3, data.ndim))
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for new, (old, backwards) in enumerate(zip(axes, flips, strict=True)):
        turn[old, new] = -1.0 if backwards else 1.0
        turn[old, 3] = data.shape[old] - 1 if backwards else 0.0
    steps = tuple(slice(None, None, -1) if backwards else slice(None) for backwards in flips)
    return view[steps], affine @ turn
