"""What of a DICOM header may go on: an allow-list of scanner facts, nothing of the person."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_NUMBERS = (
    "EchoTime", "FlipAngle", "MagneticFieldStrength", "SliceThickness", "SpacingBetweenSlices",
    "EffectiveEchoSpacing", "TotalReadoutTime", "MultibandAccelerationFactor",
    "ParallelReductionFactorInPlane", "PixelBandwidth", "EchoTrainLength", "DwellTime",
)  # fmt: skip
_WORDS = {
    "Manufacturer": 32, "ManufacturersModelName": 32, "MRAcquisitionType": 2,
    "PhaseEncodingDirection": 2, "PhaseEncodingAxis": 1, "Modality": 2, "ScanningSequence": 16,
    "ConversionSoftware": 16, "ConversionSoftwareVersion": 24,
}  # fmt: skip


def sidecar_of(
    record: Mapping[str, Any],
    repetition_time_s: float | None,
    slice_times_s: tuple[float, ...],
    kind: str,
) -> dict[str, Any]:
    """The sidecar of a converted series.

    Parameters
    ----------
    record
        What the converter wrote; only listed keys with plain values pass.
    repetition_time_s, slice_times_s
        By our own reading of the headers, in seconds; they replace the converter's.
    kind
        "rest" gives the task its name.
    """
    made: dict[str, Any] = {}
    for name in _NUMBERS:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            made[name] = value
    for name, longest in _WORDS.items():
        value = record.get(name)
        if isinstance(value, str):
            made[name] = re.sub(r"[^\w .+-]", "", value)[:longest]
    if repetition_time_s is not None:
        made["RepetitionTime"] = round(repetition_time_s, 6)
    if slice_times_s:
        made["SliceTiming"] = list(slice_times_s)
    if kind == "rest":
        made["TaskName"] = "rest"
    return made
