"""The place of every stored slice: one grid of slices and volumes, or the faults that forbid it.

Order comes from geometry and time, never from file names. Each cell of the grid (slice, volume)
must be filled exactly once; anything else is told and nothing is converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.results import Finding, Severity
from app.scans.dicom.reading import Instance
from app.scans.dicom.time_order import order_volumes, slice_times, volume_seconds
from app.scans.faults import Fault
from app.scans.geometry import VOXEL_LIMITS_MM

SAME_PLACE_MM = 0.05
SPACING_TOLERANCE = 0.01  # of the distance between slices
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ALL_OF_IT = "Export the whole series again from the scanner or archive, then open it again."


@dataclass(frozen=True, slots=True)
class Grid:
    """A series as it must come out of any converter."""

    shape: tuple[int, int, int, int]  # columns, rows, slices, volumes
    affine: NDArray[np.float64]  # (4, 4): column, row, slice -> RAS+ mm
    cells: NDArray[np.int64]  # (slice, volume, 2): instance and its frame or tile
    header_repetition_time_s: float | None
    interval_s: float | None  # between volumes, by their clocks
    slice_times_s: tuple[float, ...]  # in the order of this grid; () when unknown


@dataclass(frozen=True, slots=True)
class Cells:
    """All stored slices of a series in one flat list."""

    positions: NDArray[np.float64]  # (cell, 3), LPS mm
    temporal: NDArray[np.float64]  # NaN where unsaid
    acquisition: NDArray[np.float64]
    number: NDArray[np.float64]  # instance number, then frame
    clock_s: NDArray[np.float64]
    source: NDArray[np.int64]  # (cell, 2)


def make_grid(instances: Sequence[Instance]) -> tuple[Grid | None, list[Fault], list[Finding]]:
    """Lay a series out; faults are collected, and any of them leaves no grid."""
    faults = [fault for item in instances for fault in item.faults]
    faults = list({(fault.code, fault.message): fault for fault in faults}.values())
    faults += _unequal(instances)
    if faults:
        return None, faults, []
    first = instances[0]
    if not all(item.planes for item in instances):
        return None, [Fault("dicom.no_geometry", "The series does not say where its slices lie.",
                            "Choose another series or export it again.")], []  # fmt: skip
    axes, faults = _axes(instances)
    if faults:
        return None, faults, []
    cells, faults = _cells(instances, axes)
    if faults:
        return None, faults, []
    slice_of, faults = _slices(cells.positions, axes)
    slice_count = int(slice_of.max()) + 1
    labelled = "MOSAIC" in first.image_type and first.mosaic is None
    if labelled and slice_count < 2:
        faults = [
            Fault(
                "dicom.mosaic",
                "The images are mosaics, but the header does not say of how many slices and in "
                "which order.",
                "Export the series as the scanner stored it, or as enhanced multi-frame.",
            )
        ]
    if faults:
        return None, faults, []
    volume_of, faults, findings = order_volumes(cells, slice_of, first.numbers)
    if faults:
        return None, faults, findings
    volume_count = int(volume_of.max()) + 1
    table = np.zeros((slice_count, volume_count, 2), np.int64)
    table[slice_of, volume_of] = cells.source
    affine = _affine(cells.positions, slice_of, axes, first)
    faults, more = _spacing_findings(affine, instances, slice_count)
    findings += more
    if labelled:
        findings.append(
            Finding(
                "dicom.mosaic_label",
                Severity.WARNING,
                "The images are labelled as mosaics but are none; they are read as single slices.",
            )
        )
    milliseconds = first.numbers.get("RepetitionTime")
    seconds = milliseconds / 1000.0 if milliseconds else None
    times = slice_times(instances, cells, slice_of, volume_of, seconds)
    columns, rows = _side(first)
    grid = Grid(
        (columns, rows, slice_count, volume_count),
        affine,
        table,
        seconds,
        volume_seconds(cells, volume_of),
        times,
    )
    return (None if faults else grid), faults, findings


def _side(item: Instance) -> tuple[int, int]:
    """Columns and rows of one slice."""
    if item.mosaic is None:
        return item.columns, item.rows
    tiles = int(np.ceil(np.sqrt(item.mosaic.count)))
    return item.columns // tiles, item.rows // tiles


def _unequal(instances: Sequence[Instance]) -> list[Fault]:
    """What must be the same in every file of a series."""
    faults = []
    for words, values in (
        ("size of the images", {(i.rows, i.columns) for i in instances}),
        ("number format", {tuple(i.numbers.get(n) for n in (
            "BitsAllocated", "BitsStored", "PixelRepresentation")) for i in instances}),
        (
            "scaling of the values",
            {(i.numbers.get("RescaleSlope"), i.numbers.get("RescaleIntercept")) for i in instances},
        ),
        ("repetition time", {i.numbers.get("RepetitionTime") for i in instances}),
        ("number of tiles", {i.mosaic.count if i.mosaic else 0 for i in instances}),
    ):  # fmt: skip
        if len(values) > 1:
            faults.append(
                Fault("dicom.mixed", f"The {words} is not the same in all files of the series.")
            )
    for item in instances[:1]:
        if item.mosaic is not None:
            tiles = int(np.ceil(np.sqrt(item.mosaic.count)))
            if item.rows % tiles or item.columns % tiles:
                faults.append(Fault("dicom.mosaic", "The mosaic cannot be cut into its tiles."))
        if not item.texts.get("PhotometricInterpretation", "MONOCHROME2").startswith("MONOCHROME"):
            faults.append(Fault("dicom.colour", "The images are in colour: no BOLD signal.",
                                "Choose the functional series."))  # fmt: skip
    return faults


def _axes(instances: Sequence[Instance]) -> tuple[NDArray[np.float64], list[Fault]]:
    """Unit vectors along a row, along a column, and across the slices (LPS); (3, 3) columns."""
    turned = np.array([plane.orientation for item in instances for plane in item.planes])
    spacing = np.array([plane.spacing for item in instances for plane in item.planes])
    faults = []
    if np.abs(turned - turned[0]).max() > 1e-4:
        faults.append(
            Fault(
                "dicom.mixed_orientation",
                "The slices of the series are not parallel.",
                "Localisers look like this; choose the functional series.",
            )
        )
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        faults.append(Fault("dicom.voxel_size", "The voxel size is zero or no number."))
    elif np.abs(spacing - spacing[0]).max() > 1e-4:
        faults.append(Fault("dicom.mixed", "The voxel size differs within the series."))
    elif spacing.min() < VOXEL_LIMITS_MM[0] or spacing.max() > VOXEL_LIMITS_MM[1]:
        faults.append(
            Fault(
                "dicom.voxel_size",
                f"The pixels measure {spacing[0][0]:g} x {spacing[0][1]:g} "
                "mm, which is not possible for a functional run.",
            )
        )
    row, column = turned[0][:3], turned[0][3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(value - 1.0) for value in lengths) > 1e-3 or abs(row @ column) > 1e-3:
        faults.append(Fault("dicom.orientation", "The orientation in the header is none."))
        return np.eye(3), faults
    across = np.cross(row, column)
    axes = np.stack([row / lengths[0], column / lengths[1], across / np.linalg.norm(across)], 1)
    normals = [item.mosaic.normal for item in instances if item.mosaic is not None]
    if normals and np.abs(np.abs(np.array(normals) @ axes[:, 2]) - 1.0).max() > 1e-3:
        faults.append(Fault("dicom.orientation", "The mosaic's slices do not lie across its rows "
                            "and columns."))  # fmt: skip
    return axes, faults


def _cells(instances: Sequence[Instance], axes: NDArray[np.float64]) -> tuple[Cells, list[Fault]]:
    positions, temporal, acquisition, number, clock, source = [], [], [], [], [], []
    faults: list[Fault] = []
    for index, item in enumerate(instances):
        places: list[Any] = [plane.position for plane in item.planes]
        if item.mosaic is not None:
            step = item.numbers.get("SpacingBetweenSlices") or item.numbers.get("SliceThickness")
            if not step or step < 0:
                faults.append(Fault("dicom.mosaic", "The mosaic does not say how far apart its "
                                    "slices lie."))  # fmt: skip
                break
            places = _tiles(item, axes, step)
        for frame, place in enumerate(places):
            plane = item.planes[0 if item.mosaic is not None else frame]
            positions.append(place)
            temporal.append(np.nan if plane.temporal is None else plane.temporal)
            acquisition.append(item.numbers.get("AcquisitionNumber", np.nan))
            number.append(item.number * 1e6 + (0 if item.mosaic is not None else frame))
            clock.append(np.nan if plane.clock_s is None else plane.clock_s)
            source.append((index, frame))
    return (
        Cells(
            np.array(positions, float).reshape(-1, 3),
            np.array(temporal, float),
            np.array(acquisition, float),
            np.array(number, float),
            np.array(clock, float),
            np.array(source, np.int64).reshape(-1, 2),
        ),
        faults,
    )


def _tiles(item: Instance, axes: NDArray[np.float64], step: float) -> list[NDArray[np.float64]]:
    """Positions of a mosaic's slices: its own position is that of all tiles as one plane."""
    assert item.mosaic is not None
    columns, rows = _side(item)
    plane = item.planes[0]
    corner = (
        np.array(plane.position)
        + axes[:, 0] * plane.spacing[1] * (item.columns - columns) / 2.0
        + axes[:, 1] * plane.spacing[0] * (item.rows - rows) / 2.0
    )
    normal = np.array(item.mosaic.normal)
    return [corner + normal * step * tile for tile in range(item.mosaic.count)]


def _slices(
    positions: NDArray[np.float64], axes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], list[Fault]]:
    """(cell,) index of the slice each cell belongs to, by its distance along the normal."""
    if not np.isfinite(positions).all():
        return np.zeros(len(positions), np.int64), [
            Fault("dicom.no_geometry", "A slice's position is no number.")
        ]
    along = positions @ axes[:, 2]
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    slice_of = np.empty(len(along), np.int64)
    slice_of[order] = np.concatenate([[0], np.cumsum(steps > SAME_PLACE_MM)])
    count = int(slice_of.max()) + 1
    within = positions - np.outer(along, axes[:, 2])
    if np.abs(within - within[0]).max() > SAME_PLACE_MM:
        return slice_of, [Fault("dicom.sheared", "The slices are shifted against each other.")]
    levels = np.array([along[slice_of == index].mean() for index in range(count)])
    if count < 2:
        return slice_of, [Fault("dicom.one_slice", "The series has a single slice position.",
                                "Choose the functional series.")]  # fmt: skip
    gaps = np.diff(levels)
    usual = float(np.median(gaps))
    wrong = np.flatnonzero(np.abs(gaps - usual) > SPACING_TOLERANCE * usual)
    if wrong.size:
        place = int(wrong[np.argmax(np.abs(gaps[wrong] - usual))])
        return slice_of, [
            Fault(
                "dicom.slice_gap",
                f"Between slices {place + 1} and {place + 2} lie {gaps[place]:.2f} mm, between the "
                f"others {usual:.2f} mm: slices are missing or belong to another series.",
                _ALL_OF_IT,
            )
        ]
    return slice_of, []


def _affine(
    positions: NDArray[np.float64],
    slice_of: NDArray[np.int64],
    axes: NDArray[np.float64],
    first: Instance,
) -> NDArray[np.float64]:
    """Equation C.7.6.2.1-1 of the DICOM standard (PS3.3), brought from LPS to RAS."""
    spacing = first.planes[0].spacing
    count = int(slice_of.max()) + 1
    lowest = positions[slice_of == 0].mean(axis=0)
    highest = positions[slice_of == count - 1].mean(axis=0)
    affine = np.eye(4)
    affine[:3, 0] = axes[:, 0] * spacing[1]
    affine[:3, 1] = axes[:, 1] * spacing[0]
    affine[:3, 2] = (highest - lowest) / (count - 1)
    affine[:3, 3] = lowest
    return np.asarray(_LPS_TO_RAS @ affine)


def _spacing_findings(
    affine: NDArray[np.float64], instances: Sequence[Instance], slice_count: int
) -> tuple[list[Fault], list[Finding]]:
    """Slices at the rim may be missing without a gap: the stated distance tells every second."""
    step = float(np.linalg.norm(affine[:3, 2]))
    stated = instances[0].numbers.get("SpacingBetweenSlices")
    if not VOXEL_LIMITS_MM[0] <= step <= VOXEL_LIMITS_MM[1]:
        return [Fault("dicom.voxel_size", f"The slices lie {step:g} mm apart, which is not "
                      "possible for a functional run.")], []  # fmt: skip
    if stated and stated > 0 and abs(step - stated) > SPACING_TOLERANCE * stated:
        if abs(step / stated - round(step / stated)) < 0.01 and step > 1.5 * stated:
            return [
                Fault(
                    "dicom.slice_gap",
                    f"The slices lie {step:.2f} mm apart, the header says {stated:.2f} mm: of "
                    f"every {round(step / stated)} slices only one is here ({slice_count} in all).",
                    _ALL_OF_IT,
                )
            ], []
        return [], [
            Finding(
                "dicom.spacing_disagrees",
                Severity.WARNING,
                f"The slices lie {step:.2f} mm apart by their positions; the header says "
                f"{stated:.2f} mm. The positions are used.",
            )
        ]
    return [], []
