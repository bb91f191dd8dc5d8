"""Writes small DICOM series with known voxels and a known place: classic, mosaic, enhanced.

The truth is an array (column, row, slice, frame) and the affine that takes its indices to RAS+
millimetres; nothing here is taken from the code under test.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

MR = UID("1.2.840.10008.5.1.4.1.1.4")
ENHANCED_MR = UID("1.2.840.10008.5.1.4.1.1.4.1")
ROOT = "1.2.826.0.1.3680043.8.498."
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM counts x to the left and y to the back


@dataclass(frozen=True)
class Protocol:
    """One series: where it lies, how it is timed, whose it is."""

    columns: int = 6
    rows: int = 7
    slices: int = 5
    frames: int = 21
    pixel_mm: tuple[float, float] = (3.5, 3.0)  # between rows, between columns
    slice_mm: float = 4.0
    row_direction: tuple[float, float, float] = (1.0, 0.0, 0.0)
    column_direction: tuple[float, float, float] = (0.0, 1.0, 0.0)
    position: tuple[float, float, float] = (-10.0, -12.0, -8.0)  # LPS mm of the first voxel
    repetition_time_s: float = 2.1
    description: str = "rest_bold"
    sequence: str = "epfid2d1_64"
    number: int = 5
    study: str = ROOT + "1"
    series: str = ROOT + "1.5"
    patient_id: str = "PAT-0815"
    patient_name: str = "Mustermann^Erika"
    manufacturer: str = "SIEMENS"
    first_frame: int = 0  # frames before it lie in other files
    extra: dict[str, Any] = field(default_factory=dict)


def oblique(**changes: Any) -> Protocol:
    """A protocol turned about all three axes."""
    a, b, c = 0.2, -0.3, 0.15
    turn = (
        np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        @ np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        @ np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    )
    rounded = np.round(turn, 8)
    return Protocol(row_direction=tuple(rounded[:, 0]), column_direction=tuple(rounded[:, 1]),
                    **changes)  # fmt: skip


def truth_affine(protocol: Protocol) -> NDArray[np.float64]:
    """(column, row, slice) -> RAS+ mm, by the DICOM standard's equation C.7.6.2.1-1."""
    row, column = np.array(protocol.row_direction), np.array(protocol.column_direction)
    affine = np.eye(4)
    affine[:3, 0] = row * protocol.pixel_mm[1]
    affine[:3, 1] = column * protocol.pixel_mm[0]
    affine[:3, 2] = np.cross(row, column) * protocol.slice_mm
    affine[:3, 3] = protocol.position
    return LPS @ affine


def truth_voxels(protocol: Protocol, seed: int = 3) -> NDArray[np.uint16]:
    """(column, row, slice, frame), every value its own as far as 12 bits go."""
    shape = (protocol.columns, protocol.rows, protocol.slices, protocol.frames)
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.uint16)


def slice_times_s(protocol: Protocol) -> list[float]:
    """Interleaved acquisition: odd places first."""
    order = [*range(0, protocol.slices, 2), *range(1, protocol.slices, 2)]
    step = protocol.repetition_time_s / protocol.slices
    times = [0.0] * protocol.slices
    for place, index in enumerate(order):
        times[index] = round(place * step, 4)
    return times


def base(protocol: Protocol, sop_class: UID, number: int, frame: int) -> FileDataset:
    """A data set with all that the three kinds share."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(f"{protocol.series}.{number}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(ROOT + "9")
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = protocol.study, protocol.series
    made.FrameOfReferenceUID = protocol.study + ".77"
    made.PatientName, made.PatientID = protocol.patient_name, protocol.patient_id
    made.PatientBirthDate, made.PatientSex = "19610203", "F"
    made.InstitutionName, made.StationName = "Klinik Musterstadt", "MRC40815"
    made.ReferringPhysicianName, made.OperatorsName = "Doktor^Haus", "Op^Erator"
    made.AccessionNumber, made.StudyID = "ACC4711", "ST99"
    made.StudyDate = made.SeriesDate = made.AcquisitionDate = made.ContentDate = "20240517"
    made.StudyTime = made.SeriesTime = "101500"
    seconds = 36900 + frame * protocol.repetition_time_s
    clock = f"{int(seconds // 3600):02d}{int(seconds % 3600 // 60):02d}{seconds % 60:09.6f}"
    made.AcquisitionTime = made.ContentTime = clock
    made.Modality, made.Manufacturer = "MR", protocol.manufacturer
    made.ManufacturerModelName, made.MagneticFieldStrength = "Prisma", "3"
    made.SeriesDescription = made.ProtocolName = protocol.description
    made.SeriesNumber, made.InstanceNumber, made.AcquisitionNumber = (
        protocol.number, number, frame + 1,
    )  # fmt: skip
    made.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    made.ScanningSequence, made.SequenceVariant = "EP", "SK"
    made.SequenceName, made.MRAcquisitionType = protocol.sequence, "2D"
    made.RepetitionTime = f"{protocol.repetition_time_s * 1000:g}"
    made.EchoTime, made.FlipAngle, made.EchoTrainLength = "30", "80", "64"
    made.InPlanePhaseEncodingDirection, made.PixelBandwidth = "COL", "2000"
    made.PatientPosition = "HFS"
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelSpacing = [f"{value:g}" for value in protocol.pixel_mm]
    made.SliceThickness = made.SpacingBetweenSlices = f"{protocol.slice_mm:g}"
    for key, value in protocol.extra.items():
        setattr(made, key, value)
    return made


def position(protocol: Protocol, slice_index: int) -> list[float]:
    """LPS mm of the first voxel of a slice."""
    normal = np.cross(protocol.row_direction, protocol.column_direction)
    return list(np.array(protocol.position) + normal * protocol.slice_mm * slice_index)


def directions(protocol: Protocol) -> list[str]:
    """ImageOrientationPatient as decimal strings."""
    return [f"{v:.8g}" for v in (*protocol.row_direction, *protocol.column_direction)]


def classic(protocol: Protocol, voxels: NDArray[Any]) -> list[FileDataset]:
    """One data set a slice and frame, slices of a frame in the order in which they were taken."""
    made = []
    times = slice_times_s(protocol)
    order = sorted(range(protocol.slices), key=lambda index: times[index])
    for frame in range(protocol.frames):
        for index in order:
            number = frame * protocol.slices + index + 1
            item = base(replace(protocol), MR, number, frame)
            item.ImageOrientationPatient = directions(protocol)
            item.ImagePositionPatient = [f"{v:.8g}" for v in position(protocol, index)]
            item.SliceLocation = f"{protocol.slice_mm * index:g}"
            if protocol.manufacturer != "SIEMENS":
                item.TemporalPositionIdentifier = frame + 1
                item.NumberOfTemporalPositions = protocol.frames
            item.Rows, item.Columns = protocol.rows, protocol.columns
            item.PixelData = voxels[:, :, index, frame].T.astype("<u2").tobytes()
            made.append(item)
    return made


def mosaic(protocol: Protocol, voxels: NDArray[Any]) -> list[FileDataset]:
    """Siemens: one data set a frame, its slices tiled; facts in the private CSA headers."""
    side = int(np.ceil(np.sqrt(protocol.slices)))
    height, width = side * protocol.rows, side * protocol.columns
    row, column = np.array(protocol.row_direction), np.array(protocol.column_direction)
    normal = np.cross(row, column)
    made = []
    for frame in range(protocol.frames):
        tiles = np.zeros((height, width), "<u2")
        for index in range(protocol.slices):
            y, x = (index // side) * protocol.rows, (index % side) * protocol.columns
            tiles[y : y + protocol.rows, x : x + protocol.columns] = voxels[:, :, index, frame].T
        item = base(protocol, MR, frame + 1, frame)
        item.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        # The position of a mosaic is that of a plane as large as all tiles around the first one.
        corner = (
            np.array(protocol.position)
            - row * protocol.pixel_mm[1] * (width - protocol.columns) / 2
            - column * protocol.pixel_mm[0] * (height - protocol.rows) / 2
        )
        item.ImageOrientationPatient = directions(protocol)
        item.ImagePositionPatient = [f"{v:.8g}" for v in corner]
        item.Rows, item.Columns = height, width
        item.PixelData = tiles.tobytes()
        block = item.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0A, "US", protocol.slices)
        block.add_new(0x29, "FD", [1000 * value for value in slice_times_s(protocol)])
        csa = item.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        csa.add_new(0x10, "OB", csa_header({
            "NumberOfImagesInMosaic": ("US", [str(protocol.slices)]),
            "SliceNormalVector": ("FD", [f"{v:.8f}" for v in normal]),
            "MosaicRefAcqTimes": ("FD", [f"{1000 * v:.4f}" for v in slice_times_s(protocol)]),
            "ProtocolSliceNumber": ("IS", ["0"]),
            "PhaseEncodingDirectionPositive": ("IS", ["1"]),
        }))  # fmt: skip
        csa.add_new(0x20, "OB", csa_header({
            "MrPhoenixProtocol": ("UN", [
                "### ASCCONV BEGIN ###\nsSliceArray.ucMode = 4\n"
                f"sSliceArray.lSize = {protocol.slices}\nlRepetitions = {protocol.frames - 1}\n"
                "### ASCCONV END ###"
            ]),
        }))  # fmt: skip
        made.append(item)
    return made


def csa_header(entries: dict[str, tuple[str, list[str]]]) -> bytes:
    """A Siemens "SV10" header with these tags."""
    out = b"SV10" + b"\4\3\2\1" + struct.pack("<2i", len(entries), 77)
    for name, (kind, values) in entries.items():
        padded = [*values, *([""] * (6 - len(values)))]
        out += struct.pack("<64si4siii", name.encode(), len(values), kind.encode() + b"\0",
                           0, len(padded), 77)  # fmt: skip
        for value in padded:
            text = value.encode() + b"\0" if value else b""
            out += struct.pack("<4i", len(text), len(text), 77, len(text))
            out += text + b"\0" * (-len(text) % 4)
    return out + b"\0" * 4


def enhanced(protocol: Protocol, voxels: NDArray[Any], *, label: str = "") -> FileDataset:
    """One multi-frame data set with all slices and frames."""
    item = base(protocol, ENHANCED_MR, 1, protocol.first_frame)
    for keyword in ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "RepetitionTime",
                    "EchoTime", "FlipAngle", "ScanningSequence", "SequenceVariant"):  # fmt: skip
        delattr(item, keyword)
    item.ImageType = ["ORIGINAL", "PRIMARY", "FMRI", "NONE", *([label] if label else [])]
    item.VolumetricProperties, item.ComplexImageComponent = "VOLUME", "MAGNITUDE"
    item.AcquisitionContrast, item.PixelPresentation = "T2_STAR", "MONOCHROME"
    item.EchoPlanarPulseSequence, item.PulseSequenceName = "YES", protocol.sequence
    item.Rows, item.Columns = protocol.rows, protocol.columns
    item.NumberOfFrames = protocol.slices * protocol.frames
    organisation = Dataset()
    organisation.DimensionOrganizationUID = protocol.series + ".9"
    item.DimensionOrganizationSequence = Sequence([organisation])
    pointers = []
    for tag in (0x00209056, 0x00209128, 0x00209057):  # stack, time, place in the stack
        one = Dataset()
        one.DimensionOrganizationUID = protocol.series + ".9"
        one.DimensionIndexPointer, one.FunctionalGroupPointer = tag, 0x00209111
        pointers.append(one)
    item.DimensionIndexSequence = Sequence(pointers)
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PixelMeasuresSequence[0].PixelSpacing = [f"{v:g}" for v in protocol.pixel_mm]
    shared.PixelMeasuresSequence[0].SliceThickness = f"{protocol.slice_mm:g}"
    shared.PixelMeasuresSequence[0].SpacingBetweenSlices = f"{protocol.slice_mm:g}"
    shared.PlaneOrientationSequence = Sequence([Dataset()])
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = directions(protocol)
    timing = Dataset()
    timing.RepetitionTime = f"{protocol.repetition_time_s * 1000:g}"
    timing.FlipAngle = "80"
    shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
    echo = Dataset()
    echo.EffectiveEchoTime = 30.0
    shared.MREchoSequence = Sequence([echo])
    item.SharedFunctionalGroupsSequence = Sequence([shared])
    groups, pixels = [], []
    times = slice_times_s(protocol)
    for frame in range(protocol.frames):
        for index in range(protocol.slices):
            one = Dataset()
            one.PlanePositionSequence = Sequence([Dataset()])
            one.PlanePositionSequence[0].ImagePositionPatient = [
                f"{v:.8g}" for v in position(protocol, index)
            ]
            content = Dataset()
            content.StackID, content.InStackPositionNumber = "1", index + 1
            content.TemporalPositionIndex = frame + 1
            content.DimensionIndexValues = [1, frame + 1, index + 1]
            content.FrameAcquisitionNumber = frame + 1
            began = (protocol.first_frame + frame) * protocol.repetition_time_s
            seconds = 36900 + began + times[index]
            clock = f"{int(seconds // 3600):02d}{int(seconds % 3600 // 60):02d}{seconds % 60:09.6f}"
            content.FrameAcquisitionDateTime = "20240517" + clock
            one.FrameContentSequence = Sequence([content])
            groups.append(one)
            pixels.append(voxels[:, :, index, frame].T.astype("<u2").tobytes())
    item.PerFrameFunctionalGroupsSequence = Sequence(groups)
    item.PixelData = b"".join(pixels)
    return item


def save(items: list[FileDataset], folder: Path, name: Callable[[int], str] | None = None) -> Path:
    """Write data sets as files with names that say nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, item in enumerate(items):
        chosen = name(index) if name is not None else f"IM{index:05d}"
        item.save_as(folder / chosen, enforce_file_format=True)
    return folder
