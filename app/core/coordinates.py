"""Coordinates as people write them: read from text, written with letters and space.

World millimetres are RAS+ (x to the right, y to the front, z up); voxels count from 0. Pictures lie
on the RAS+ grid of their file; people read and type the voxels of the file as it is stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from app.core.arrays import Floats
from app.core.errors import AppError

Point = tuple[float, float, float]
Voxel = tuple[int, int, int]
T = TypeVar("T")

_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
_NUMBER = r"[+\-\N{MINUS SIGN}]?(?:\d+(?:\.\d*)?|\.\d+)"
_LETTERED = re.compile(rf"([RLAPSI])\s*({_NUMBER})", re.IGNORECASE)
_VOXEL = re.compile(r"^\s*(?:voxel|vox|v)\b\s*:?", re.IGNORECASE)
_FARTHEST_MM = 2000.0
_HINT = "Type three numbers such as -4 26 40, letters such as L 4 A 26 S 40, or voxel 36 81 42."


def read_point(
    text: str, *, affine: Floats, shape: tuple[int, ...], sides_known: bool = True
) -> Point:
    """World mm of a typed place: "-4 26 40", "L 4 A 26 S 40" or "voxel 36 81 42".

    Numbers may be parted by blanks, commas or semicolons; decimals have a point.

    Raises
    ------
    AppError
        ``coordinate.unreadable``, ``coordinate.no_sides`` (letters where left and right are not
        known) or ``coordinate.outside`` (not inside the picture).
    """
    cleaned = text.strip().removesuffix("mm").replace("\N{MINUS SIGN}", "-")
    if _VOXEL.match(cleaned):
        voxel = _three(_VOXEL.sub("", cleaned))
        mm = np.asarray(affine, float) @ np.append(voxel, 1.0)
        point: Point = (float(mm[0]), float(mm[1]), float(mm[2]))
    elif re.search("[A-Za-z]", cleaned):
        point = _lettered(cleaned, sides_known=sides_known)
    else:
        point = _three(cleaned)
    inside = np.rint(np.linalg.solve(np.asarray(affine, float), np.append(point, 1.0))[:3])
    if (inside < 0).any() or (inside >= np.asarray(shape[:3])).any():
        raise AppError("This place lies outside the picture.", _HINT, code="coordinate.outside")
    return point


def _three(text: str) -> Point:
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    if len(parts) != 3 or not all(re.fullmatch(_NUMBER, part) for part in parts):
        raise _unreadable()
    return _bounded([float(part) for part in parts])


def _lettered(text: str, *, sides_known: bool) -> Point:
    found = _LETTERED.findall(text)
    rest = re.sub(r"[\s,;]+", "", _LETTERED.sub("", text))
    axes = [_LETTERS[letter.upper()][0] for letter, _ in found]
    if rest or sorted(axes) != [0, 1, 2]:
        raise _unreadable()
    if not sides_known:
        raise AppError(
            "Left and right of this image are not known: letters cannot be used.",
            "Type the three numbers of the image's own axes.",
            code="coordinate.no_sides",
        )
    values = [0.0, 0.0, 0.0]
    for letter, number in found:
        axis, sign = _LETTERS[letter.upper()]
        values[axis] = sign * float(number)
    return _bounded(values)


def _bounded(values: list[float]) -> Point:
    if any(abs(value) > _FARTHEST_MM for value in values):
        raise _unreadable()
    return (values[0], values[1], values[2])


def _unreadable() -> AppError:
    return AppError("This is no place.", _HINT, code="coordinate.unreadable")


def as_stored(per_axis: Sequence[T], codes: str) -> tuple[T, T, T]:
    """One thing an axis of the RAS+ grid, such as its size, in the file's order of axes.

    Parameters
    ----------
    codes
        Where each axis of the file runs to, such as "LAS"; "" for a grid that is shown as it is.
    """
    x, y, z = (per_axis[_LETTERS[code][0]] for code in codes or "RAS")
    return (x, y, z)


def stored_voxel(voxel: Voxel, shape: Sequence[int], codes: str) -> Voxel:
    """The index that the file itself gives a voxel of the RAS+ grid; both count from 0.

    Parameters
    ----------
    shape
        Of the RAS+ grid, not of the file.
    codes
        As of `as_stored`.
    """
    i, j, k = (
        voxel[axis] if sign > 0 else shape[axis] - 1 - voxel[axis]
        for axis, sign in (_LETTERS[code] for code in codes or "RAS")
    )
    return (i, j, k)


def stored_index(index: int, axis: int, count: int, codes: str) -> int:
    """The number that the file itself gives a slice across an axis of the RAS+ grid, first = 0.

    Parameters
    ----------
    count
        Slices across that axis.
    codes
        As of `as_stored`.
    """
    (sign,) = (sign for at, sign in (_LETTERS[code] for code in codes or "RAS") if at == axis)
    return index if sign > 0 else count - 1 - index


def stored_grid(
    affine: Floats, shape: Sequence[int], codes: str
) -> tuple[Floats, tuple[int, int, int]]:
    """Affine, (4, 4), and shape of the file whose RAS+ grid has these; as of `stored_voxel`."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for column, code in enumerate(codes or "RAS"):
        axis, sign = _LETTERS[code]
        turn[axis, column] = sign
        turn[axis, 3] = shape[axis] - 1 if sign < 0 else 0
    return np.asarray(affine, float) @ turn, as_stored(shape, codes)
