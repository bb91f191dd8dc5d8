"""Tables of numbers that others wrote (confounds, parcel series): sizes first, then every cell.

``n/a`` and its kin become NaN; a text where a number is wanted is a fault of its column, never
a silent NaN.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ScanError

MAXIMUM_TABLE_BYTES = 256 << 20
MAXIMUM_COLUMNS = 20_000
MAXIMUM_CELLS = 100_000_000
MISSING = frozenset({"", "n/a", "na", "nan", "none", "null"})
_DELIMITERS = "\t,;"
_OTHER = "Choose another file."
_AGAIN = "Write or copy the file again, then open it again."


@dataclass(frozen=True, slots=True)
class NumberTable:
    """Columns of numbers; `header` is () where the first row already holds numbers."""

    header: tuple[str, ...]
    values: NDArray[np.float64]  # (row, column), NaN where missing

    def column(self, name: str) -> NDArray[np.float64]:
        """(row,) values of a named column."""
        column: NDArray[np.float64] = self.values[:, self.header.index(name)]
        return column


def read_numbers(
    path: Path, *, wanted: Sequence[str] | None = None, what: str = "table"
) -> NumberTable:
    """Read a TSV or CSV of numbers.

    Parameters
    ----------
    path
        The file; tab, comma or semicolon separate its columns.
    wanted
        Only these columns are read, those that exist of them; None = all, each a number.
    what
        The table's name in messages.

    Raises
    ------
    ScanError
        ``table.missing``, ``table.too_large``, ``table.damaged``, ``table.doubled_column``,
        ``table.not_a_number``.
    """
    rows = _rows(path, what)
    header = tuple(cell.strip() for cell in rows[0])
    if all(_number(cell) is not None for cell in header):
        header = ()
    body = rows[1:] if header else rows
    if not body:
        raise _fault("table.damaged", f"The {what} has no rows.", _OTHER)
    if len(set(header)) != len(header):
        raise _fault("table.doubled_column", f"The {what} has two columns of one name.")
    width = len(rows[0])
    odd = next((index for index, row in enumerate(body) if len(row) != width), None)
    if odd is not None:
        raise _fault(
            "table.damaged",
            f"Row {odd + 1} of the {what} has {len(body[odd])} cells instead of {width}.",
        )
    if len(body) * width > MAXIMUM_CELLS:
        raise _fault("table.too_large", f"The {what} is far too large.")
    chosen = (
        list(range(width))
        if wanted is None or not header
        else [header.index(name) for name in wanted if name in header]
    )
    values = np.empty((len(body), len(chosen)))
    for column, source in enumerate(chosen):
        for row, cells in enumerate(body):
            number = _number(cells[source])
            if number is None:
                name = f" ({header[source][:40]})" if header else ""
                raise _fault(
                    "table.not_a_number",
                    f"Column {source + 1}{name} of the {what} holds a text in row {row + 1}.",
                    "Check the file.",
                )
            values[row, column] = number
    return NumberTable(tuple(header[index] for index in chosen) if header else (), values)


def row_count(path: Path) -> int:
    """Rows below the header, quickly; -1 where the file cannot be read."""
    try:
        if path.stat().st_size > MAXIMUM_TABLE_BYTES:
            return -1
        with path.open("rb") as handle:
            return max(sum(1 for line in handle if line.strip()) - 1, 0)
    except OSError:
        return -1


def _rows(path: Path, what: str) -> list[list[str]]:
    try:
        regular, size = path.is_file(), path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError):
        regular, size = False, 0
    if not regular:
        raise _fault("table.missing", f"There is no such {what}.", _OTHER)
    if size > MAXIMUM_TABLE_BYTES:
        raise _fault("table.too_large", f"The {what} is far too large to be one.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _fault("table.damaged", f"The {what} is no text.", _OTHER) from None
    except OSError:
        raise _fault(
            "table.missing", f"The {what} cannot be read.", "Check its permissions."
        ) from None
    if "\0" in text:
        raise _fault("table.damaged", f"The {what} is no text.", _OTHER)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count) if first else "\t"
    try:
        rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            if any(cell.strip() for cell in row)
        ]
    except csv.Error:
        raise _fault("table.damaged", f"The {what} is damaged.", _OTHER) from None
    if not rows:
        raise _fault("table.damaged", f"The {what} is empty.", _OTHER)
    if len(rows[0]) > MAXIMUM_COLUMNS:
        raise _fault("table.too_large", f"The {what} has {len(rows[0])} columns.")
    return rows


def _number(cell: str) -> float | None:
    """The number of a cell, NaN where it is missing, None for any other text or infinity."""
    text = cell.strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        value = float(text) if "_" not in text else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None


def _fault(code: str, message: str, hint: str = _AGAIN) -> ScanError:
    return ScanError(message, hint, code=code)
