"""One row a participant-visit: its result, or the reason why there is none.

Rows are small and plain. They travel between processes, lie as JSON beside the results, and are
all that a table of the whole cohort is made of. A withheld number has no place in a row.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.conformal_wording import set_name
from app.core.errors import AppError, StorageError
from app.core.results import Case, Outcome, Severity
from app.study.files import replace_file, storage_errors

ROWS = "rows"  # folder of the JSON files, one a visit
FAILED = "failed"  # nothing could be measured; the other outcomes are those of a case
WAITING = "waiting"  # not done yet
_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CohortRow:
    """What is known of one participant at one visit, as a table shows it."""

    key: str  # name of the visit in its folder
    participant: str
    session: str = ""
    run: str = ""
    source: str = ""  # of the scan, relative to the BIDS folder
    site: str = ""
    age_years: float | None = None
    sex: str = ""
    baseline_pain: float | None = None
    arm: str = ""
    drug: str = ""
    time_point: str = ""
    responder_definition: str = ""
    outcome: str = WAITING  # "result", "inconclusive", "withheld", `FAILED` or `WAITING`
    reason: str = ""
    code: str = ""  # stable word for the reason of a failure
    probability: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    conformal_set: str = ""  # "{R}", "{NR}", "{both}" or "{}"
    base_rate: float | None = None
    quality: str = ""  # verdict
    mean_fd_mm: float | None = None
    usable_time_s: float | None = None
    flagged_percent: float | None = None
    blocking: str = ""  # finding that forbids to use the scan at all, as of unknown orientation
    novelty_percentile: float | None = None
    model: str = ""
    weights_sha256: str = ""
    atlas: str = ""
    preset: str = ""
    simulated: bool = False
    scan_sha256: str = ""
    case_id: str = ""
    seconds: float | None = None  # wall clock of the analysis; None = it was there already
    cpu_seconds: float | None = None  # of the worker's processor, all threads
    peak_memory_mib: float | None = None

    @property
    def finished(self) -> bool:
        """Whether there is a case, with a number or without."""
        return bool(self.case_id)

    @property
    def score_words(self) -> str:
        """The number, or why there is none."""
        if self.probability is not None:
            return f"{self.probability:.2f}"
        return f"{self.outcome}: {self.reason}" if self.reason else self.outcome


def row_of_case(row: CohortRow, case: Case) -> CohortRow:
    """The row with what its case says; numbers only where the case shows them."""
    prediction, quality, signals = case.prediction, case.quality, case.signals
    model = prediction.model if prediction is not None else None
    shown = (
        prediction is not None
        and prediction.outcome is not Outcome.WITHHELD
        and not prediction.research_only
    )
    metrics = {m.name: m.value for m in quality.metrics} if quality is not None else {}
    novelty = prediction.novelty if prediction is not None else None
    interval = prediction.interval if shown and prediction is not None else None
    person = case.participant
    return dataclasses.replace(
        row,
        site=person.site or row.site,
        age_years=person.age_years,
        sex=person.sex or "",
        baseline_pain=person.baseline_pain,
        drug=row.drug or (model.drug if model else ""),
        arm=row.arm or (model.arm if model else ""),
        time_point=row.time_point or (model.time_point if model else ""),
        responder_definition=row.responder_definition
        or (model.responder_definition if model else ""),
        outcome=(prediction.outcome if prediction is not None else Outcome.WITHHELD).value,
        reason="; ".join(one.rstrip(". ") for one in prediction.reasons) if prediction else "",
        code="",
        probability=_finite(prediction.probability) if shown and prediction is not None else None,
        interval_low=_finite(interval[0]) if interval else None,
        interval_high=_finite(interval[1]) if interval else None,
        conformal_set=set_name(prediction.conformal)
        if shown and prediction is not None and prediction.conformal is not None
        else "",
        base_rate=_finite(model.base_rate) if model else None,
        quality=quality.verdict.value if quality is not None else "",
        mean_fd_mm=_finite(metrics.get("mean_fd_power_mm")),
        usable_time_s=_finite(metrics.get("usable_time_s")),
        flagged_percent=_finite(metrics.get("flagged_percent")),
        blocking=blocking_words(case),
        novelty_percentile=_finite(novelty.percentile) if novelty is not None else None,
        model=model.model_id if model else "",
        weights_sha256=model.weights_sha256 if model else "",
        atlas=signals.atlas if signals is not None else "",
        preset=signals.preset if signals is not None else "",
        simulated=case.scan.simulated,
        scan_sha256=case.scan.sha256,
        case_id=case.case_id,
    )


def blocking_words(case: Case) -> str:
    """What forbids to use a scan, for a number and for learning alike; "" where nothing does."""
    found = [one.message for one in case.findings if one.severity is Severity.BLOCKING]
    return "; ".join(one.rstrip(". ") for one in found)


def failed_row(row: CohortRow, error: AppError) -> CohortRow:
    """The row with the reason why nothing could be measured."""
    return dataclasses.replace(row, outcome=FAILED, reason=str(error), code=error.code)


def plain_row(row: CohortRow) -> dict[str, Any]:
    """A row as plain values."""
    return dataclasses.asdict(row)


def row_of(values: dict[str, Any]) -> CohortRow:
    """Rebuild a row of plain values; unknown names are left out.

    Raises
    ------
    TypeError
        A value is missing that a row cannot be without.
    """
    names = {field.name for field in dataclasses.fields(CohortRow)}
    return CohortRow(**{key: value for key, value in values.items() if key in names})


def row_file(out_dir: Path, key: str) -> Path:
    """Where the row of a visit lies."""
    return out_dir / ROWS / f"{key}.json"


def write_row(out_dir: Path, row: CohortRow) -> Path:
    """Write a row, whole or not at all.

    Raises
    ------
    StorageError
        Also for a full disk; an older row is as it was.
    """
    path = row_file(out_dir, row.key)
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(plain_row(row), indent=1, sort_keys=True) + "\n").encode())
    return path


def read_row(path: Path) -> CohortRow:
    """Read one row.

    Raises
    ------
    StorageError
        ``cohort.row_damaged``.
    """
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise ValueError("too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        return row_of(content)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as fault:
        raise StorageError(
            f"The row {path.name} cannot be read.",
            "Run the cohort again: only this visit is done anew.",
            code="cohort.row_damaged",
        ) from fault


def read_rows(out_dir: Path) -> tuple[tuple[CohortRow, ...], tuple[str, ...]]:
    """All rows of a results folder by key, and what could not be read."""
    rows, faults = [], []
    for path in _row_files(out_dir):
        try:
            rows.append(read_row(path))
        except StorageError as error:
            faults.append(str(error))
    return tuple(sorted(rows, key=lambda row: row.key)), tuple(faults)


def _row_files(out_dir: Path) -> Iterator[Path]:
    folder = out_dir / ROWS
    if folder.is_dir():
        yield from (p for p in sorted(folder.glob("*.json")) if not p.name.startswith("."))


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
