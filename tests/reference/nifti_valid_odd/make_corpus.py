"""Made the files of this folder: valid NIfTI in odd clothes, written and read by nibabel.

``truth.json`` holds what nibabel reads from them (values in closest canonical order as
little-endian float64, affine) so that our reader is judged by another one. Run once, with the
path of this folder: the files are committed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

import nibabel
import numpy as np

SHAPE = (5, 6, 7, 20)


def image(dtype, affine, *, kind=nibabel.Nifti1Image, repetition_time=2.0, unit="sec", shape=SHAPE):
    """A small image with random values and the given header facts."""
    values = np.random.default_rng(7).integers(1, 120, shape).astype(dtype)
    made = kind(values, affine)
    made.header.set_zooms((*made.header.get_zooms()[:3], repetition_time, *[1] * (len(shape) - 4)))
    made.header.set_xyzt_units("mm", unit)
    return made


def main(folder: Path) -> None:
    """Write every file and the truth about it."""
    plain = np.array([[3.0, 0, 0, -7], [0, 3.5, 0, -9], [0, 0, 4, -13], [0, 0, 0, 1]])
    las = plain @ np.diag([-1.0, 1, 1, 1])
    angle = np.deg2rad(17)
    turn = np.eye(4)
    turn[:3, :3] = [
        [1, 0, 0],
        [0, np.cos(angle), -np.sin(angle)],
        [0, np.sin(angle), np.cos(angle)],
    ]
    oblique = turn @ las
    sagittal = plain[:, [1, 2, 0, 3]]  # storage x runs to the front, y up, z to the right
    made = {
        "uint8_las.nii.gz": image("u1", las),
        "int16_oblique.nii.gz": image("i2", oblique),
        "int32_sagittal.nii.gz": image("i4", sagittal),
        "uint16_ms.nii.gz": image("u2", plain, repetition_time=2200.0, unit="msec"),
        "float64_usec.nii.gz": image("f8", las, repetition_time=800000.0, unit="usec"),
        "int16_nifti2.nii.gz": image("i2", oblique, kind=nibabel.Nifti2Image),
        "int16_seven_axes.nii": image("i2", plain, shape=(*SHAPE, 1, 1, 1)),
    }
    only_qform = image("i2", oblique)
    only_qform.set_qform(oblique, 1)
    only_qform.set_sform(None, 0)
    made["int16_qform_only.nii.gz"] = only_qform
    only_sform = image("f4", sagittal)
    only_sform.set_sform(sagittal, 2)
    only_sform.set_qform(None, 0)
    made["float32_sform_only.nii.gz"] = only_sform
    scaled = image("f4", las)
    scaled.set_data_dtype("i2")  # nibabel chooses slope and intercept
    made["int16_scaled.nii"] = scaled
    noted = image("i2", plain)
    noted.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"any comment " * 9))
    made["int16_extension.nii.gz"] = noted
    big = nibabel.Nifti1Image(
        np.random.default_rng(8).integers(1, 9000, SHAPE).astype(">i2"),
        oblique,
        nibabel.Nifti1Header(endianness=">"),
    )
    big.header.set_zooms((3.0, 3.5, 4.0, 1.5))
    big.header.set_xyzt_units("mm", "sec")
    made["int16_big_endian.nii.gz"] = big
    for name, item in made.items():
        nibabel.save(item, folder / name)
    whole = gzip.decompress((folder / "uint8_las.nii.gz").read_bytes())
    members = (
        gzip.compress(whole[start : start + 900], mtime=0) for start in range(0, len(whole), 900)
    )
    (folder / "uint8_members.nii.gz").write_bytes(b"".join(members))
    truth = {}
    for path in sorted(folder.glob("*.ni*")):
        loaded = nibabel.as_closest_canonical(nibabel.squeeze_image(nibabel.load(path)))
        unit = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}[loaded.header.get_xyzt_units()[1]]
        values = np.ascontiguousarray(loaded.get_fdata(dtype=np.float64).astype("<f8"))
        truth[path.name] = {
            "values_sha256": hashlib.sha256(values.tobytes()).hexdigest(),
            "affine": loaded.affine.tolist(),
            "repetition_time_s": round(float(loaded.header.get_zooms()[3]) * unit, 6),
            "findings": [],
        }
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
