"""Surface maps from GIfTI files: one value a vertex of the mesh that the window draws.

A file holds one hemisphere; its partner is looked for beside it by name, so that either of the
two opens both. Which side a file belongs to is what it says itself, else its name; a file that
says neither is refused. Counts of vertices are not enough to tell meshes apart (fs_LR 164k and
fsaverage have as many, CIVET and fsaverage6 too): a finer mesh must be named.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ScanError

MESH = "fsaverage5"
ENDINGS = (".func.gii", ".shape.gii", ".label.gii", ".gii")
MAXIMUM_BYTES = 64 << 20  # of one file; 163,842 vertices take less than 1 MB
# FreeSurfer's icosahedral meshes are nested: the first vertices of a finer one are those of a
# coarser one.
_FINER = {40962: ("fsaverage6", "fsaverage"), 163842: ("fsaverage", "fsaverage7")}
_OTHER = {
    32492: "as fs_LR 32k has",
    64984: "as fs_LR 32k has, both sides together",
    20484: f"as both sides of {MESH} have together",
    40962: "as fsaverage6 and CIVET have",
    163842: "as fsaverage and fs_LR 164k have",
}
_SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)")
_SIDES = {"CortexLeft": "left", "CortexRight": "right"}
_HEMI = re.compile(
    r"(?i)(?<![a-z0-9])(hemi-(?P<bids>[LR])|(?P<fs>[lr])h|(?P<hcp>[LR]))(?![a-z0-9])"
)
_PARTNER = {"L": "R", "R": "L", "l": "r", "r": "l"}


@dataclass(frozen=True, slots=True)
class SurfaceMap:
    """Values on one or both hemispheres of the drawn mesh."""

    sha256: str  # of the file's hash, or of both files' hashes, left first
    name: str  # the file's name without side and ending
    sides: tuple[tuple[str, NDArray[np.float32]], ...]  # ("left" or "right", (vertex,)); NaN: none
    unit: str
    labels: bool  # numbers are names: they are not averaged
    notes: tuple[str, ...]


def is_surface_map(path: Path) -> bool:
    """Whether a file's name says that it holds values on a surface."""
    return path.name.lower().endswith(".gii")


def read_surface_map(path: Path, vertices: Mapping[str, int]) -> SurfaceMap:
    """Open a GIfTI map with its partner of the other side, where there is one beside it.

    Parameters
    ----------
    path
        ``.func.gii``, ``.shape.gii`` or ``.label.gii``.
    vertices
        "left", "right" -> how many the drawn mesh has; empty where there is none.

    Raises
    ------
    ScanError
        ``map.no_picture``, ``map.not_gifti``, ``map.several``, ``map.side_unknown``,
        ``map.other_space`` or ``map.vertices``.
    """
    if not vertices:
        raise ScanError(
            "There is no surface to lay the map on.", "Open a case first.", code="map.no_picture"
        )
    found = {}
    notes: list[str] = []
    one = _read(path)
    found[one.side] = one
    partner = partner_of(path)
    if partner is not None and partner.is_file():
        other = _read(partner)
        if other.side != one.side:
            found[other.side] = other
    sides = []
    for side in sorted(found):
        values, note = _on_mesh(found[side], vertices.get(side, 0))
        sides.append((side, values))
        notes += [note] * (bool(note) and note not in notes)
    if len(found) == 1:
        notes.append(f"The {one.side} side only: no file of the other side lies beside it.")
    hashes = [found[side].sha256 for side in sorted(found)]
    together = hashlib.sha256("".join(hashes).encode()).hexdigest()
    return SurfaceMap(
        together if len(hashes) > 1 else hashes[0],
        plain_name(path),
        tuple(sides),
        one.unit,
        all(each.labels for each in found.values()),
        tuple(notes),
    )


def partner_of(path: Path) -> Path | None:
    """The file of the other hemisphere, by the one letter that differs; None without a letter."""
    match = _last_side(path.name)
    if match is None:
        return None
    kind = next(kind for kind in ("bids", "fs", "hcp") if match[kind])
    at = match.start(kind)
    name = path.name
    return path.with_name(name[:at] + _PARTNER[name[at]] + name[at + 1 :])


def plain_name(path: Path) -> str:
    """The file's name without its ending and its side."""
    name = path.name
    match = _last_side(name)
    if match is not None:
        name = name[: match.start()].rstrip("._-") + name[match.end() :]
    ending = next((end for end in ENDINGS if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)].strip("._-") or "surface map"


@dataclass(frozen=True, slots=True)
class _File:
    side: str
    values: NDArray[Any]
    unit: str
    labels: bool
    sha256: str
    space: str  # as name or file say; "" where they do not


def _read(path: Path) -> _File:
    import nibabel

    faults = (*_FAULTS, nibabel.filebasedimages.ImageFileError)
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise _not_gifti("is too large for a map")
        data = path.read_bytes()
    except OSError as fault:
        raise ScanError(
            "The map cannot be read.", "Check that the file is there.", code="map.not_gifti"
        ) from fault
    # Neither may lead the parser out of the file: entities, or values in another file.
    if b"<!ENTITY" in data or b"ExternalFileBinary" in data:
        raise _not_gifti("refers to what lies outside it")
    gifti: Any = nibabel.gifti  # its names are not exported to type checkers
    try:
        image = gifti.GiftiImage.from_bytes(data)
        arrays = [one for one in image.darrays if one.intent not in _GEOMETRY]
        shapes = [np.shape(one.data) for one in arrays]
    except faults as fault:
        raise _not_gifti("cannot be read as GIfTI") from fault
    if not arrays:
        raise _not_gifti("is a mesh without values")
    if len(arrays) > 1 or len(shapes[0]) != 1:
        raise ScanError(
            "The file holds several maps.",
            "Save the one that is wanted as a file of its own.",
            code="map.several",
        )
    meta = {**dict(image.meta), **dict(arrays[0].meta)}
    side = _SIDES.get(str(meta.get("AnatomicalStructurePrimary", "")), "") or _named(path.name)
    if not side:
        raise ScanError(
            "The map does not say which hemisphere it belongs to.",
            "Write it into the file's name, such as hemi-L.",
            code="map.side_unknown",
        )
    unit = str(meta.get("Units") or "no unit stated")[:24]
    values = np.asarray(arrays[0].data)
    labels = arrays[0].intent == _LABELS
    named = _SPACE.search(path.name)
    space = named.group(1) if named is not None else str(meta.get("SpatialReference", ""))
    return _File(side, values, unit, labels, hashlib.sha256(data).hexdigest(), space)


# What parsing a damaged or hostile file ends with.
_FAULTS = (
    ExpatError, ValueError, TypeError, LookupError, AttributeError, AssertionError, OSError,
    EOFError, zlib.error,
)  # fmt: skip
_LABELS = 1002
_GEOMETRY = (1008, 1009)  # points, triangles


def _on_mesh(file: _File, wanted: int) -> tuple[NDArray[np.float32], str]:
    values, count, note = file.values, len(file.values), ""
    if file.space and not file.space.lower().startswith("fsaverage"):
        raise ScanError(
            f"The map lies on {file.space[:40]}, the surface shown here is {MESH}.",
            f"Resample it to {MESH}.",
            code="map.other_space",
        )
    if count != wanted:
        if count <= wanted or file.space.lower() not in _FINER.get(count, ()):
            known = f", {_OTHER[count]}" if count in _OTHER else ""
            named = " or, where it is on fsaverage, write space-fsaverage into its name"
            raise ScanError(
                f"The map has {count} vertices{known}; the surface shown here ({MESH}) has "
                f"{wanted} a side.",
                f"Resample it to {MESH}{named * (count in _FINER)}.",
                code="map.vertices",
            )
        values = values[:wanted]
        note = f"On {_FINER[count][0]}: of its vertices those that {MESH} has are shown."
    elif not file.space:
        note = f"The file does not name its surface; it has as many vertices as {MESH}."
    shown = np.asarray(values, np.float32).copy()
    shown[~np.isfinite(shown)] = np.nan
    return shown, note


def _last_side(name: str) -> re.Match[str] | None:
    found = list(_HEMI.finditer(name))
    return found[-1] if found else None


def _named(name: str) -> str:
    match = _last_side(name)
    letter = "" if match is None else (match["bids"] or match["fs"] or match["hcp"]).upper()
    return {"L": "left", "R": "right"}.get(letter, "")


def _not_gifti(why: str) -> ScanError:
    return ScanError(
        f"The map {why}.",
        "Choose a .func.gii, .shape.gii or .label.gii file.",
        code="map.not_gifti",
    )
