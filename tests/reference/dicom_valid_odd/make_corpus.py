"""Made the archives of this folder: valid DICOM series in odd clothes.

Each ``.zip`` holds one series; ``truth.json`` holds its voxels' hash (closest canonical order,
little-endian int32), its affine and its repetition time, all taken from the numbers that the
writer was given. Run once, with the path of this folder: the files are committed.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from tests import dicom_files as dicom


def series() -> dict[str, tuple[dicom.Protocol, Any, list[Any], dict[str, Any]]]:
    """Name -> protocol, voxels, data sets, options of pydicom's writer."""
    tiny = {"frames": 20, "slices": 4, "columns": 4, "rows": 5}
    plain = dicom.oblique(**tiny)
    made: dict[str, Any] = {}

    def add(name: str, kind: str, protocol: dicom.Protocol, **options: Any) -> list[Any]:
        voxels = dicom.truth_voxels(protocol)
        items = getattr(dicom, kind)(protocol, voxels)
        items = items if isinstance(items, list) else [items]
        made[name] = (protocol, voxels, items, options)
        return items

    for item in add("mosaic_implicit", "mosaic", plain, implicit_vr=True, little_endian=True):
        item.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    for item in add("classic_big_endian", "classic", plain, implicit_vr=False, little_endian=False):
        item.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        item.PixelData = np.frombuffer(item.PixelData, "<u2").astype(">u2").tobytes()
    for item in add("classic_run_length", "classic", plain):
        item.compress(RLELossless)
    for item in add("mosaic_16_bits_signed", "mosaic", plain):
        item.BitsStored, item.HighBit, item.PixelRepresentation = 16, 15, 1
    sagittal = dicom.Protocol(row_direction=(0, 1, 0), column_direction=(0, 0, -1), **tiny)
    add("mosaic_sagittal", "mosaic", sagittal)
    coronal = dicom.Protocol(row_direction=(-1, 0, 0), column_direction=(0, 0, -1), **tiny)
    add("classic_coronal_mirrored", "classic", coronal)
    items = add("enhanced_shuffled_frames", "enhanced", plain)
    groups = list(items[0].PerFrameFunctionalGroupsSequence)
    order = random.Random(4).sample(range(len(groups)), len(groups))
    size, pixels = plain.rows * plain.columns * 2, items[0].PixelData
    items[0].PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    items[0].PixelData = b"".join(pixels[index * size : (index + 1) * size] for index in order)
    for item in add("enhanced_called_mosaic", "enhanced", plain):
        item.ImageType = [*item.ImageType, "MOSAIC"]
    ge = replace(plain, manufacturer="GE MEDICAL SYSTEMS")
    for number, item in enumerate(add("classic_numbers_mean_nothing", "classic", ge)):
        item.InstanceNumber = (number * 37) % 80 + 1
    for item in add("mosaic_odd_texts", "mosaic", replace(plain, repetition_time_s=0.7351)):
        item.SpecificCharacterSet = "ISO_IR 192"
        item.SeriesDescription = "Ruhe-fMRT Ü 静息 rest"
        item.PatientName = "Ünïcode^静"
    for item in add("mosaic_program_in_preamble", "mosaic", plain):
        item.preamble = b"MZ\x90\0" + b"\xcc" * 124
    return made


def main(folder: Path) -> None:
    """Write every archive and the truth about it."""
    truth = {}
    for name, (protocol, voxels, items, options) in series().items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for index, item in enumerate(items):
                buffer = io.BytesIO()
                dcmwrite(buffer, item, enforce_file_format=True, **options)
                archive.writestr(zipfile.ZipInfo(f"I{(index * 7919) % 1009:04d}"),
                                 buffer.getvalue(), zipfile.ZIP_DEFLATED)  # fmt: skip
        image = nibabel.Nifti1Image(voxels.astype("<i4"), dicom.truth_affine(protocol))
        upright = nibabel.as_closest_canonical(image)
        values = np.ascontiguousarray(np.asarray(upright.dataobj).astype("<i4"))
        truth[name] = {
            "values_sha256": hashlib.sha256(values.tobytes()).hexdigest(),
            "shape": list(values.shape),
            "affine": np.asarray(upright.affine).tolist(),
            "repetition_time_s": protocol.repetition_time_s,
        }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
