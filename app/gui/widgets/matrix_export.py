"""A matrix as a file: always in the model's own parcel order, however it is drawn."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__
from app.core.arrays import Floats
from app.core.errors import StorageError
from app.core.results import CleanSignals
from app.study.files import replace_file, storage_errors
from app.study.tables import table

FORMATS = {
    ".tsv": "BIDS table of connectivity (*.tsv)",
    ".csv": "Comma-separated values (*.csv)",
    ".npy": "NumPy array (*.npy)",
}


def matrix_bytes(suffix: str, matrix: Floats, names: tuple[str, ...]) -> bytes:
    """The matrix as a file's content; numbers with the fewest digits that give them back.

    Parameters
    ----------
    suffix
        A key of `FORMATS`. TSV and CSV have the parcels' names as their first line.
    matrix
        (parcel, parcel), atlas order, written as it is; NaN is ``n/a`` in text.
    names
        One a parcel.

    Raises
    ------
    KeyError
        For another suffix.
    """
    values = np.asarray(matrix, dtype=np.float64)
    if suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        return buffer.getvalue()
    text = table(names, values)
    if suffix == ".csv":
        if any("," in name or '"' in name for name in names):
            names = tuple('"' + name.replace('"', '""') + '"' for name in names)
            text = table(names, values)
        return text.replace(b"\t", b",")
    if suffix == ".tsv":
        return text
    raise KeyError(suffix)


def matrix_sidecar(
    signals: CleanSignals, *, measure: str, unit: str, frames: int | None, stamps: str, sources: str
) -> dict[str, Any]:
    """What the file holds, for a reader without this program."""
    return {
        "Description": f"{measure}; rows and columns are the parcels in the atlas's own order, "
        "which is the order that the model gets",
        "Measure": measure,
        "Units": unit or "arbitrary",
        "ParcelOrder": "atlas",
        "Atlas": signals.atlas,
        "AtlasSHA256": signals.atlas_sha256,
        "Networks": list(signals.networks),
        "Hemispheres": list(signals.hemispheres),
        "FramesUsed": frames,
        "Sources": [sources],
        "GeneratedBy": [{"Name": "NeuroResponder", "Version": __version__}],
        "Notice": stamps,
    }


def write_matrix(path: Path, content: bytes, sidecar: dict[str, Any]) -> None:
    """Write the file and its JSON beside it, the file last and whole.

    Raises
    ------
    StorageError
        No space, no permission.
    """
    if path.suffix not in FORMATS:
        raise StorageError("Choose .tsv, .csv or .npy.", "", code="gui.matrix_format")
    text = json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n"
    with storage_errors():
        replace_file(path.with_suffix(".json"), text.encode())
        replace_file(path, content)
