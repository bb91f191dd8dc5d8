"""FreeSurfer's subcortical volumes: from `aseg.stats` or a table to the 45 values of a person.

Two kinds of file are read: `aseg.stats` of one person (lines ``# Measure …`` and one line a
structure under ``# ColHeaders``) and a tab-separated table of many people, one line a person,
as `asegstats2table` writes it. Volumes are found by name; nothing depends on a column's place.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.aseg import ASEG_ALIASES, ASEG_VOLUMES, INTRACRANIAL_NAMES
from app.core.errors import ScanError

MAX_BYTES = 20 * 1024 * 1024
MAX_VOLUME_MM3 = 5.0e6  # no part of a head is larger; also tells another unit


@dataclass(frozen=True, slots=True)
class SubcorticalVolumes:
    """One person's volumes, in the order of `ASEG_VOLUMES`."""

    identifier: str  # the table's first column; empty from aseg.stats
    volumes_mm3: Floats  # (45,)
    intracranial_mm3: float | None  # None when the file does not hold it

    def relative(self) -> Floats:
        """Volumes as fractions of the intracranial volume, (45,).

        Raises
        ------
        ScanError
            ``scan.aseg_intracranial`` when the file did not hold that volume.
        """
        if self.intracranial_mm3 is None:
            raise ScanError(
                "The file holds no estimated total intracranial volume.",
                "Use a file with EstimatedTotalIntraCranialVol, or a model that takes mm³.",
                code="scan.aseg_intracranial",
            )
        return frozen(self.volumes_mm3 / self.intracranial_mm3)


def read_aseg_stats(path: Path) -> SubcorticalVolumes:
    """Read one person's `aseg.stats`.

    Raises
    ------
    ScanError
        ``scan.aseg_format``, ``scan.aseg_missing`` (names the volumes), ``scan.aseg_twice`` or
        ``scan.aseg_value``.
    """
    lines = _text(path).splitlines()
    columns: list[str] | None = None
    found: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith("# ColHeaders"):
            columns = line.split()[2:]
        elif line.startswith("# Measure"):
            fields = [field.strip() for field in line[len("# Measure") :].split(",")]
            if len(fields) >= 4:
                found.append((fields[0], fields[3]))
        elif line.strip() and not line.startswith("#"):
            if columns is None or not {"StructName", "Volume_mm3"} <= set(columns):
                raise _wrong("there is no line of column names with StructName and Volume_mm3")
            cells = line.split()
            if len(cells) != len(columns):
                raise _wrong(f"a line has {len(cells)} values instead of {len(columns)}")
            row = dict(zip(columns, cells, strict=True))
            found.append((row["StructName"], row["Volume_mm3"]))
    return _volumes("", found)


def read_aseg_table(path: Path) -> tuple[SubcorticalVolumes, ...]:
    """Read a tab-separated table, one line a person; the first column names the person.

    Raises
    ------
    ScanError
        As `read_aseg_stats`; ``scan.aseg_twice`` also for a person who is there twice.
    """
    rows = list(csv.reader(_text(path).splitlines(), delimiter="\t"))
    if len(rows) < 2 or len(rows[0]) < 2:
        raise _wrong("it is not a tab-separated table with a header and a line a person")
    header = [name.strip() for name in rows[0]]
    people = []
    for cells in rows[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise _wrong(f"a line has {len(cells)} values instead of {len(header)}")
        people.append(_volumes(cells[0].strip(), list(zip(header[1:], cells[1:], strict=True))))
    names = [person.identifier for person in people]
    if len(set(names)) != len(names):
        raise ScanError(
            "A person is in the table of volumes twice.",
            "Keep one line a person.",
            code="scan.aseg_twice",
        )
    return tuple(people)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _wrong(f"it is larger than {MAX_BYTES // 2**20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong("it cannot be read as text") from error


def _volumes(identifier: str, cells: list[tuple[str, str]]) -> SubcorticalVolumes:
    values: dict[str, str] = {}
    wanted = {*ASEG_VOLUMES, *INTRACRANIAL_NAMES}
    for written, value in cells:
        name = ASEG_ALIASES.get(written, written)
        if name not in wanted:
            continue
        if name in values:
            raise ScanError(
                f"The volume {name} is in the file twice.",
                "Keep one of them; the program does not guess which.",
                code="scan.aseg_twice",
            )
        values[name] = value
    missing = [name for name in ASEG_VOLUMES if name not in values]
    if missing:
        raise ScanError(
            f"{len(missing)} of {len(ASEG_VOLUMES)} subcortical volumes are missing: "
            f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}.",
            "Use the aseg.stats of recon-all, or a table with every volume under its "
            "FreeSurfer name.",
            code="scan.aseg_missing",
        )
    numbers = np.array([_number(name, values) for name in ASEG_VOLUMES])
    head = next((_number(name, values) for name in INTRACRANIAL_NAMES if name in values), None)
    if head is not None and head < 1e5:
        raise _value("intracranial volume", str(head))
    if numbers.sum() < 1e3:
        raise _value("sum of all volumes", f"{numbers.sum():g}")
    return SubcorticalVolumes(identifier, frozen(numbers), head)


def _number(name: str, values: Mapping[str, str]) -> float:
    try:
        number = float(values[name])
    except ValueError:
        raise _value(name, values[name]) from None
    if not math.isfinite(number) or not 0 <= number <= MAX_VOLUME_MM3:
        raise _value(name, values[name])
    return number


def _value(name: str, text: str) -> ScanError:
    return ScanError(
        f"The value '{text[:20]}' of {name} is not a volume in mm³.",
        "Export the volumes in mm³, as FreeSurfer writes them.",
        code="scan.aseg_value",
    )


def _wrong(what: str) -> ScanError:
    return ScanError(
        f"The file of subcortical volumes is not usable: {what}.",
        "Give FreeSurfer's aseg.stats, or a table from asegstats2table.",
        code="scan.aseg_format",
    )
