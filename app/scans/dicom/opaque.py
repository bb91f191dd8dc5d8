"""Pixels that only the converter can decode: is its order of volumes the headers' order?

The values cannot be read here, so some volumes are converted once more, each from exactly the
files that the headers assign to it, and must come out as they stand in the whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.core.results import Finding, Severity
from app.scans.dicom.compare import Stored, disagree
from app.scans.dicom.grid import Grid
from app.scans.faults import Fault
from app.scans.geometry import to_canonical


def check_opaque(
    image: Path, grid: Grid, stored: Stored, work: Path, convert: Callable[[Path, Path], Path]
) -> list[Finding]:
    """Compare the first, the middle and the last volume with their own conversions.

    Parameters
    ----------
    image
        The converter's image of the whole series.
    work
        Private folder for the parts; emptied again.
    convert
        Takes a folder of files and an empty folder, gives the image made of them.

    Raises
    ------
    ScanError
        ``dicom.converter_disagrees``; ``dicom.compressed_frames`` where one file holds several
        volumes and cannot be taken apart.
    """
    import nibabel

    whole: Any = nibabel.load(image)
    affine = np.asarray(whole.affine, float)
    theirs, _ = to_canonical(np.asarray(whole.dataobj.get_unscaled()), affine)
    if theirs.shape[3:] != (grid.shape[3],):
        raise disagree("the number of volumes")
    for volume in sorted({0, grid.shape[3] // 2, grid.shape[3] - 1}):
        files = set(grid.cells[:, volume, 0].tolist())
        others = np.delete(grid.cells[:, :, 0], volume, axis=1)
        if np.isin(others, list(files)).any():
            raise Fault(
                "dicom.compressed_frames",
                "One compressed file holds several volumes, whose order cannot be checked.",
                "Export the series without compression.",
            ).error()
        source, out = work / f"part-{volume}", work / f"part-{volume}-out"
        source.mkdir(mode=0o700)
        out.mkdir(mode=0o700)
        for index in sorted(files):
            shutil.copyfile(stored.paths[index], source / stored.paths[index].name)
        part: Any = nibabel.load(convert(source, out))
        values, _ = to_canonical(
            np.asarray(part.dataobj.get_unscaled()), np.asarray(part.affine, float)
        )
        if not np.array_equal(values, theirs[..., volume]):
            raise disagree(f"the values of volume {volume + 1}")
        shutil.rmtree(source)
        shutil.rmtree(out)
    return [
        Finding(
            "dicom.compressed",
            Severity.NOTE,
            "The pixels are compressed: their values were taken from the converter, their order "
            "was checked on three volumes.",
        )
    ]
