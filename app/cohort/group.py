"""Group level: mean and difference of connectivity matrices, and quality of the whole cohort.

Only rows that may be pooled are pooled: one drug, one time point, one responder definition, one
atlas, one way of cleaning, each scan once. Means are taken of Fisher's z and given back as
correlations; each connection has its own n, since a parcel may lie outside a scan's field of
view. The matrices describe; no test is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.cohort.rows import CohortRow
from app.cohort.visit_run import PREPARED
from app.core.arrays import Floats, Ints, frozen
from app.core.errors import StorageError
from app.core.results import Verdict
from app.core.wording import counted

GROUPINGS = ("site", "sex", "arm", "session", "quality")
CHOOSABLE = (*GROUPINGS, "drug", "time_point", "responder_definition", "model", "participant",
             "outcome")  # fmt: skip
POOLED_ALIKE = (
    ("drug", "drug"),
    ("time_point", "time point"),
    ("responder_definition", "responder definition"),
    ("atlas", "atlas"),
    ("preset", "cleaning preset"),
)
_LARGEST_CORRELATION = 0.999999  # beyond it Fisher's z has no finite value


@dataclass(frozen=True, slots=True)
class GroupMatrix:
    """Mean connectivity of some scans."""

    name: str  # "all", or the group
    mean: Floats  # (parcel, parcel), correlation; NaN where no scan covers both parcels
    count: Ints  # (parcel, parcel), scans that went into each connection
    scans: int
    participants: int


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The whole cohort's mean, and the difference of two groups where it was asked for."""

    whole: GroupMatrix
    groups: tuple[GroupMatrix, ...] = ()  # two, by name
    difference: Floats | None = None  # first minus second, of correlations; NaN where either is
    left_out: tuple[str, ...] = ()  # why rows were not taken


def chosen_rows(rows: Sequence[CohortRow], where: Mapping[str, str]) -> tuple[CohortRow, ...]:
    """Rows whose columns have these values.

    Raises
    ------
    StorageError
        ``cohort.no_column``, or ``cohort.empty`` when no row is left.
    """
    for column in where:
        if column not in CHOOSABLE:
            raise StorageError(
                f"There is no column '{column[:40]}' to choose by.",
                f"Choose one of: {', '.join(CHOOSABLE)}.",
                code="cohort.no_column",
            )
    kept = tuple(
        row for row in rows if all(str(getattr(row, c)) == value for c, value in where.items())
    )
    if not kept:
        raise StorageError("No row of the cohort has these values.", "Check the spelling.",
                           code="cohort.empty")  # fmt: skip
    return kept


def poolable_rows(rows: Sequence[CohortRow]) -> tuple[tuple[CohortRow, ...], tuple[str, ...]]:
    """Finished rows of usable quality, each scan once, and why the others are left out.

    Raises
    ------
    StorageError
        ``cohort.mixed``: rows of different drugs, time points, definitions, atlases or presets.
    """
    finished = [row for row in rows if row.finished]
    told = [row for row in finished if not row.blocking]
    usable = [row for row in told if row.quality != Verdict.WITHHELD.value]
    seen: dict[str, str] = {}
    once = [row for row in usable if seen.setdefault(row.scan_sha256, row.key) == row.key]
    reasons = []
    for count, why in (
        (len(rows) - len(finished), "without an analysis"),
        (len(finished) - len(told), "with a blocking finding, such as unknown left and right"),
        (len(told) - len(usable), "withheld for quality"),
        (len(usable) - len(once), "of the same scan as another row"),
    ):
        if count:
            reasons.append(f"{count} {'rows' if count > 1 else 'row'} {why}")
    refuse_mixed_rows(once)
    return tuple(once), tuple(reasons)


def refuse_mixed_rows(rows: Sequence[CohortRow]) -> None:
    """Rows that mean different things are never pooled.

    Raises
    ------
    StorageError
        ``cohort.mixed``, naming what differs and how to choose.
    """
    for column, words in POOLED_ALIKE:
        values = sorted({str(getattr(row, column)) or "not stated" for row in rows})
        if len(values) > 1:
            shown = ", ".join(values[:4]) + (", …" if len(values) > 4 else "")
            raise StorageError(
                f"The rows differ in their {words} ({shown}); they are not pooled.",
                f'Choose one, such as {column}="{values[0]}".',
                code="cohort.mixed",
            )


def group_result(out_dir: Path, rows: Sequence[CohortRow], *, group_by: str = "") -> GroupResult:
    """Mean matrix of the rows, and difference of two groups of them.

    Parameters
    ----------
    out_dir
        Results folder; the matrices are read from its prepared files.
    rows
        What may be pooled of them is.
    group_by
        One of `GROUPINGS` with two values; "" = no groups.

    Raises
    ------
    StorageError
        ``cohort.mixed``, ``cohort.empty``, ``cohort.no_column``, ``cohort.not_two_groups``.
    """
    kept, left_out = poolable_rows(rows)
    if not kept:
        raise StorageError("No row can be pooled: " + "; ".join(left_out) + ".",
                           "Means need analysed scans whose quality withholds nothing.",
                           code="cohort.empty")  # fmt: skip
    whole = mean_matrix("all", out_dir, kept)
    if not group_by:
        return GroupResult(whole, left_out=left_out)
    if group_by not in GROUPINGS:
        raise StorageError(f"Rows cannot be grouped by '{group_by[:40]}'.",
                           f"Choose one of: {', '.join(GROUPINGS)}.",
                           code="cohort.no_column")  # fmt: skip
    members: dict[str, list[CohortRow]] = {}
    for row in kept:
        members.setdefault(str(getattr(row, group_by)), []).append(row)
    nameless = len(members.pop("", []))
    if nameless:
        left_out = (*left_out, f"{counted(nameless, 'row has', 'rows have')} no {group_by}")
    if len(members) != 2:
        raise StorageError(
            f"{group_by} has {len(members)} values among these rows; a difference needs two.",
            "Choose the two with --where, or group by another column.",
            code="cohort.not_two_groups",
        )
    first, second = (mean_matrix(name, out_dir, members[name]) for name in sorted(members))
    return GroupResult(whole, (first, second), frozen(first.mean - second.mean), left_out)


def mean_matrix(name: str, out_dir: Path, rows: Sequence[CohortRow]) -> GroupMatrix:
    """Mean over scans by Fisher's z, one matrix in memory at a time."""
    from app.cohort.prepared import read_visit

    total: Floats | None = None
    count = np.zeros(0)
    for row in rows:
        visit = read_visit(out_dir / PREPARED / f"{row.key}.npz")
        if visit.scan_sha256 != row.scan_sha256:
            raise StorageError(
                f"The prepared file of {row.key} is of another scan than its row.",
                "Run the cohort again.",
                code="cohort.wrong_binding",
            )
        if visit.connectivity_kind != "pearson":
            raise StorageError("These matrices are no correlations; their mean has no meaning.",
                               "Use a model with correlation as its measure.",
                               code="cohort.mixed")  # fmt: skip
        matrix = np.asarray(visit.connectivity, float)
        if total is None:
            total, count = np.zeros(matrix.shape), np.zeros(matrix.shape)
        if matrix.shape != total.shape:
            raise StorageError("The prepared scans differ in their number of parcels.",
                               "Prepare all of them with one model's settings.",
                               code="cohort.mixed")  # fmt: skip
        known = np.isfinite(matrix)
        clipped = np.clip(matrix, -_LARGEST_CORRELATION, _LARGEST_CORRELATION)
        total[known] += np.arctanh(clipped[known])
        count += known
    assert total is not None
    with np.errstate(invalid="ignore"):
        mean = np.tanh(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return GroupMatrix(
        name,
        frozen(mean),
        frozen(count.astype(np.int64), np.int64),
        len(rows),
        len({row.participant for row in rows}),
    )


def quality_overview(rows: Sequence[CohortRow]) -> list[tuple[str, ...]]:
    """A table of text: per site and in all, verdicts and the middle half of the metrics."""
    header = ("site", "rows", "failed", "pass", "attention", "withheld", "mean_fd_mm_median",
              "mean_fd_mm_q1", "mean_fd_mm_q3", "usable_time_s_median", "flagged_percent_median",
              "novelty_percentile_median")  # fmt: skip
    sites = sorted({row.site for row in rows if row.site})
    lines: list[tuple[str, ...]] = [header]
    for site in ("all", *sites):
        mine = [row for row in rows if site == "all" or row.site == site]
        verdicts = [sum(row.quality == v.value for row in mine) for v in Verdict]
        lines.append(
            (
                site,
                str(len(mine)),
                str(sum(row.outcome == "failed" for row in mine)),
                *map(str, verdicts),
                *(_quantile(mine, "mean_fd_mm", q) for q in (0.5, 0.25, 0.75)),
                *(
                    _quantile(mine, name, 0.5)
                    for name in ("usable_time_s", "flagged_percent", "novelty_percentile")
                ),
            )
        )
    return lines


def _quantile(rows: Sequence[CohortRow], name: str, q: float) -> str:
    values = [value for row in rows if (value := getattr(row, name)) is not None]
    return f"{np.quantile(values, q):.4g}" if values else "n/a"
