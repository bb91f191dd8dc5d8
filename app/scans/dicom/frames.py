"""Where each stored slice lies and when it was taken: classic, enhanced multi-frame, mosaic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.scans.dicom.csa import csa_values, planned_volumes
from app.scans.dicom.values import (
    bytes_of,
    clock_of,
    first_of,
    float_of,
    floats_of,
    many_of,
    number_of,
    text_of,
)
from app.scans.faults import Fault


@dataclass(frozen=True, slots=True)
class Plane:
    """One stored slice: where it lies (DICOM's LPS mm) and when it was taken."""

    position: tuple[float, float, float]
    orientation: tuple[float, ...]  # direction along a row, then along a column
    spacing: tuple[float, float]  # between rows, between columns, mm
    temporal: int | None = None
    clock_s: float | None = None
    thickness: float | None = None


@dataclass(frozen=True, slots=True)
class Mosaic:
    """What a Siemens mosaic says of its tiles."""

    count: int
    normal: tuple[float, float, float]
    times_s: tuple[float, ...]


def is_multi_frame(header: Any) -> bool:
    """Whether the file describes each of its frames by itself."""
    return "PerFrameFunctionalGroupsSequence" in header


def planes_of(
    header: Any, frames: int, numbers: dict[str, float]
) -> tuple[tuple[Plane, ...], list[Fault]]:
    """Every stored slice; shared functional groups stand in where a frame has none of its own."""
    if not is_multi_frame(header):
        if frames > 1:
            return (), [Fault("dicom.no_geometry", "A multi-frame file does not say where its "
                              "slices lie.")]  # fmt: skip
        plane = _plane(header, header, header, header, None)
        return ((plane,), []) if plane is not None else ((), [])
    groups = header.PerFrameFunctionalGroupsSequence
    if len(groups) != frames:
        return (), [Fault("dicom.frames_differ", f"The file claims {frames} frames and describes "
                          f"{len(groups)}.")]  # fmt: skip
    shared = first_of(header, "SharedFunctionalGroupsSequence")
    _fill_shared(shared, groups[0], numbers)
    planes = []
    scales = set()
    for group in groups:

        def part(name: str, own: Any = group) -> Any:
            return first_of(own, name) or first_of(shared, name)

        plane = _plane(
            part("PlanePositionSequence"),
            part("PlaneOrientationSequence"),
            part("PixelMeasuresSequence"),
            part("FrameContentSequence"),
            part("FrameContentSequence"),
        )
        if plane is None:
            return (), [Fault("dicom.no_geometry", "A frame does not say where it lies.")]
        planes.append(plane)
        scale = part("PixelValueTransformationSequence")
        if scale is not None:
            scales.add((number_of(scale, "RescaleSlope"), number_of(scale, "RescaleIntercept")))
    if len(scales) > 1:
        return (), [Fault("dicom.scaling_varies", "The scaling of the values differs between the "
                          "frames.", "Export the series with one scaling.")]  # fmt: skip
    return tuple(planes), []


def _fill_shared(shared: Any, first: Any, numbers: dict[str, float]) -> None:
    for sequence, source, target in (
        ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
        ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
        ("PixelMeasuresSequence", "SpacingBetweenSlices", "SpacingBetweenSlices"),
        ("PixelMeasuresSequence", "SliceThickness", "SliceThickness"),
        ("PixelValueTransformationSequence", "RescaleSlope", "RescaleSlope"),
        ("PixelValueTransformationSequence", "RescaleIntercept", "RescaleIntercept"),
    ):
        item = first_of(shared, sequence) or first_of(first, sequence)
        value = number_of(item, source) if item is not None else None
        if value is not None:
            numbers.setdefault(target, value)


def _plane(where: Any, turned: Any, measured: Any, timed: Any, content: Any) -> Plane | None:
    if where is None or turned is None or measured is None:
        return None
    position = floats_of(where, "ImagePositionPatient", 3)
    orientation = floats_of(turned, "ImageOrientationPatient", 6)
    spacing = floats_of(measured, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        return None
    temporal = clock = None
    if content is not None:
        value = number_of(content, "TemporalPositionIndex")
        temporal = int(value) if value is not None else None
        clock = clock_of(content, ("FrameAcquisitionDateTime", "FrameReferenceDateTime"), date=14)
    elif timed is not None:
        value = number_of(timed, "TemporalPositionIdentifier")
        temporal = int(value) if value is not None else None
        clock = clock_of(timed, ("AcquisitionTime",))
    return Plane(
        (position[0], position[1], position[2]),
        orientation,
        (spacing[0], spacing[1]),
        temporal,
        clock,
        number_of(measured, "SliceThickness"),
    )


def mosaic_of(header: Any, image_type: tuple[str, ...], numbers: dict[str, float]) -> Mosaic | None:
    """Tiles of a Siemens mosaic by its private headers; None where they do not say."""
    image = bytes_of(header, 0x00291010) if _creator(header, 0x0029, "SIEMENS CSA") else b""
    values = csa_values(image, ("NumberOfImagesInMosaic", "SliceNormalVector",
                                "MosaicRefAcqTimes"))  # fmt: skip
    series = bytes_of(header, 0x00291020) if _creator(header, 0x0029, "SIEMENS CSA") else b""
    planned = planned_volumes(series)
    if planned is not None:
        numbers["PlannedVolumes"] = planned
    if "MOSAIC" not in image_type:
        return None
    count = _parsed(values.get("NumberOfImagesInMosaic", []))
    normal = _parsed(values.get("SliceNormalVector", []))
    times = _parsed(values.get("MosaicRefAcqTimes", []))
    tiles = int(count[0]) if count else 0
    if not tiles and _creator(header, 0x0019, "SIEMENS MR"):
        stated = number_of(header, 0x0019100A)
        tiles = int(stated) if stated is not None else 0
    if not times and _creator(header, 0x0019, "SIEMENS MR"):
        times = [
            v for v in (float_of(item) for item in many_of(header, 0x00191029)) if v is not None
        ]
    if not 1 < tiles <= 4096 or len(normal) < 3:
        return None
    good = len(times) == tiles
    return Mosaic(
        tiles,
        (normal[0], normal[1], normal[2]),
        tuple(value / 1000.0 for value in times) if good else (),
    )


def _creator(header: Any, group: int, words: str) -> bool:
    """Whether the private block at 0x10 of a group belongs to whom we think."""
    return text_of(header, (group << 16) + 0x10).upper().startswith(words)


def _parsed(texts: list[str]) -> list[float]:
    values = [float_of(text) for text in texts]
    return [value for value in values if value is not None]
