"""One DICOM file's header as plain values: only listed tags, sizes capped, every type checked.

Names, dates of birth and addresses are not among the tags. The patient's identity is read only
to keep people apart and leaves this module as a hash. A file that is no DICOM file gives None;
one that is damaged gives an `Instance` with faults.
"""

from __future__ import annotations

import hashlib
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.scans.dicom.frames import Mosaic, Plane, is_multi_frame, mosaic_of, planes_of
from app.scans.dicom.values import (
    many_of,
    number_of,
    text_of,
    uid_of,
    whole_of,
)
from app.scans.faults import Fault

MAXIMUM_HEADER_BYTES = 256 << 20  # functional groups of some ten thousand frames
MAXIMUM_FRAMES = 200_000
UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
MR_STORAGE = frozenset({"1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1",
                        "1.2.840.10008.5.1.4.1.1.4.4"})  # fmt: skip

_WHOLE_NUMBERS = (
    ("Rows", 1, 16384), ("Columns", 1, 16384), ("SamplesPerPixel", 1, 1), ("BitsAllocated", 8, 32),
    ("BitsStored", 1, 32), ("PixelRepresentation", 0, 1),
)  # fmt: skip
TAGS: Any = [
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID",
    "SeriesInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "PatientAge", "Modality", "Manufacturer", "ManufacturerModelName", "MagneticFieldStrength",
    "SeriesDescription", "ProtocolName", "SeriesNumber", "InstanceNumber", "AcquisitionNumber",
    "AcquisitionDate", "SeriesDate", "StudyDate", "AcquisitionTime", "ContentTime", "ImageType",
    "ScanningSequence", "SequenceName", "PulseSequenceName", "EchoPlanarPulseSequence",
    "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoNumbers", "InversionTime",
    "DiffusionBValue", "TriggerTime", "TemporalPositionIdentifier", "NumberOfTemporalPositions",
    "ImagesInAcquisition", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "BurnedInAnnotation",
    "ComplexImageComponent", "LossyImageCompression",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    0x00190010, 0x0019100A, 0x00191029, 0x00290010, 0x00291010, 0x00291020,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instance:
    """One file, described. `texts` and `numbers` hold what tables and classification need."""

    path: Path
    stored_bytes: int
    sop_uid: str
    series_uid: str
    study_uid: str
    person: str  # hash of the identity; tells people apart, nothing else
    syntax: str
    sop_class: str
    rows: int
    columns: int
    planes: tuple[Plane, ...]
    mosaic: Mosaic | None
    texts: dict[str, str]
    numbers: dict[str, float]
    image_type: tuple[str, ...]
    faults: tuple[Fault, ...] = field(default=())

    @property
    def number(self) -> int:
        """Instance number; -1 where there is none."""
        return int(self.numbers.get("InstanceNumber", -1))


class _Capped:
    """A file that refuses to hand out more than a header's worth of bytes at once."""

    def __init__(self, handle: Any, name: str) -> None:
        self._handle, self.name = handle, name

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0 or size > MAXIMUM_HEADER_BYTES:
            raise ValueError("an element claims more than a header holds")
        data: bytes = self._handle.read(size)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._handle.seek(offset, whence))

    def tell(self) -> int:
        return int(self._handle.tell())

    def close(self) -> None:
        self._handle.close()


def reader_faults() -> tuple[type[Exception], ...]:
    """What pydicom raises on damaged files: found by fuzzing, so it is not a narrow list."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (
        ArithmeticError, AssertionError, AttributeError, BytesLengthException, EOFError,
        InvalidDicomError, LookupError, OSError, RuntimeError, TypeError,
        ValueError, struct.error, zlib.error,
    )  # fmt: skip


@contextmanager
def quiet_reader() -> Iterator[None]:
    """pydicom without its warnings and log lines: both may quote values of the file."""
    import pydicom.config

    logger = logging.getLogger("pydicom")
    before, mode = logger.disabled, pydicom.config.settings.reading_validation_mode
    logger.disabled = True
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before
        pydicom.config.settings.reading_validation_mode = mode


def is_dicom(path: Path) -> bool:
    """Whether the four letters after the preamble say so; the preamble itself is ignored."""
    try:
        with path.open("rb") as handle:
            return handle.read(132)[128:] == b"DICM"
    except (OSError, ValueError):
        return False


def read_instance(path: Path, stored_bytes: int) -> Instance | None:
    """Header of one file, or None when it is no DICOM file that can be read."""
    import pydicom

    if not is_dicom(path):
        return None
    with quiet_reader():
        try:
            with path.open("rb") as handle:
                # Deflated files are refused by the cap: the library would inflate without a limit.
                capped: Any = _Capped(handle, "")
                header = pydicom.dcmread(capped, stop_before_pixels=True, specific_tags=TAGS)
                syntax = str(header.file_meta.get("TransferSyntaxUID", "") or "")
                return _instance(header, path, stored_bytes, syntax)
        except reader_faults():
            return _unreadable(path, stored_bytes, "Its header is damaged.")


def _unreadable(path: Path, stored_bytes: int, why: str) -> Instance:
    fault = Fault("dicom.damaged", f"A file of the folder cannot be used. {why}")
    return Instance(
        path, stored_bytes, "", "", "", "", "", "", 0, 0, (), None, {}, {}, (), (fault,)
    )


def _instance(header: Any, path: Path, stored_bytes: int, syntax: str) -> Instance:
    faults: list[Fault] = []
    texts = {name: text_of(header, name) for name in (
        "Modality", "Manufacturer", "ManufacturerModelName", "SeriesDescription", "ProtocolName",
        "ScanningSequence", "SequenceName", "PulseSequenceName", "EchoPlanarPulseSequence",
        "MRAcquisitionType", "PatientSex", "PatientAge", "PhotometricInterpretation",
        "BurnedInAnnotation", "ComplexImageComponent", "LossyImageCompression",
    )}  # fmt: skip
    texts["Date"] = _date(header)
    numbers = {}
    for name in ("SeriesNumber", "InstanceNumber", "AcquisitionNumber", "RepetitionTime",
                 "EchoTime", "InversionTime", "TriggerTime", "TemporalPositionIdentifier",
                 "NumberOfTemporalPositions", "ImagesInAcquisition", "MagneticFieldStrength",
                 "SpacingBetweenSlices", "SliceThickness", "DiffusionBValue", "RescaleSlope",
                 "RescaleIntercept"):  # fmt: skip
        value = number_of(header, name)
        if value is not None:
            numbers[name] = value
    for name, lowest, highest in _WHOLE_NUMBERS:
        value = whole_of(header, name, lowest, highest)
        if value is None:
            faults.append(_bad_size(name))
        else:
            numbers[name] = value
    image_type = tuple(str(v).upper()[:16] for v in many_of(header, "ImageType"))[:12]
    frames = _frame_count(header)
    if frames is None:
        faults.append(_bad_size("NumberOfFrames"))
    planes, more = planes_of(header, frames or 1, numbers)
    faults += more
    mosaic = mosaic_of(header, image_type, numbers) if not is_multi_frame(header) else None
    person = "\0".join(str(header.get(n, "")) for n in ("PatientID", "PatientName",
                                                        "PatientBirthDate"))  # fmt: skip
    return Instance(
        path=path,
        stored_bytes=stored_bytes,
        sop_uid=uid_of(header, "SOPInstanceUID"),
        series_uid=uid_of(header, "SeriesInstanceUID"),
        study_uid=uid_of(header, "StudyInstanceUID"),
        person=hashlib.sha256(person.encode("utf-8", "replace")).hexdigest(),
        syntax=syntax,
        sop_class=uid_of(header, "SOPClassUID"),
        rows=int(numbers.get("Rows", 0)),
        columns=int(numbers.get("Columns", 0)),
        planes=planes,
        mosaic=mosaic,
        texts=texts,
        numbers=numbers,
        image_type=image_type,
        faults=tuple(faults),
    )


def _bad_size(name: str) -> Fault:
    return Fault(
        "dicom.header_damaged",
        f"The field {name} has a wrong type or an impossible value.",
    )


def _frame_count(header: Any) -> int | None:
    if "NumberOfFrames" not in header:
        return 1
    value = number_of(header, "NumberOfFrames")
    if value is None or value != int(value) or not 1 <= value <= MAXIMUM_FRAMES:
        return None
    return int(value)


def _date(header: Any) -> str:
    """ISO date for the table on screen; exports keep the year only."""
    for name in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        text = str(header.get(name, "") or "")
        if re.fullmatch(r"\d{8}", text):
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return ""
