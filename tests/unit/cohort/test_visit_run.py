"""One visit in a worker: a broken scan is a row, a stop and a full disk are not swallowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.cohort.rows import FAILED, CohortRow, read_row, row_file
from app.cohort.visit_run import CASES, VisitTask, run_visit
from app.core.errors import CancelledError, StorageError
from app.core.request import AnalysisRequest
from tests.unit.scans.nifti_files import write


def _task(tmp_path: Path, scan: Path, **more: object) -> VisitTask:
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    request = AnalysisRequest(scan, out / CASES, threads=1, write_pdf=False)
    row = CohortRow(key="sub-01_task-rest", participant="sub-01", source="x", **more)  # type: ignore[arg-type]
    return VisitTask(row, request, out, out / ".stop-1")


def _scan(tmp_path: Path) -> Path:
    return write(tmp_path / "sub-01_task-rest_bold.nii.gz", np.zeros((7, 8, 9, 12), np.int16))


def test_that_a_broken_scan_becomes_a_row_with_its_reason(tmp_path: Path) -> None:
    scan = tmp_path / "sub-01_task-rest_bold.nii.gz"
    scan.write_bytes(b"nothing that could be a scan")
    task = _task(tmp_path, scan)
    row = run_visit(task)
    assert row.outcome == FAILED
    assert row.reason
    assert row.code.startswith("scan.")
    assert row.probability is None
    assert read_row(row_file(task.out_dir, row.key)) == row
    assert not (task.out_dir / "prepared").exists()


def test_that_a_scan_that_is_gone_becomes_a_row(tmp_path: Path) -> None:
    row = run_visit(_task(tmp_path, tmp_path / "sub-01_task-rest_bold.nii.gz"))
    assert (row.outcome, bool(row.reason)) == (FAILED, True)


def test_that_a_stop_ends_the_visit_without_a_row(tmp_path: Path) -> None:
    task = _task(tmp_path, _scan(tmp_path))
    task.stop_file.touch()
    with pytest.raises(CancelledError):
        run_visit(task)
    assert not row_file(task.out_dir, task.row.key).exists()
    assert [path.name for path in task.out_dir.iterdir()] == [".stop-1"]


def test_that_a_place_that_cannot_be_written_stops_the_run_and_blames_no_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _task(tmp_path, _scan(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.study.files.write_file", full)
    with pytest.raises(StorageError) as refused:
        run_visit(task)
    assert refused.value.code == "study.no_space"
    assert not row_file(task.out_dir, task.row.key).exists()
