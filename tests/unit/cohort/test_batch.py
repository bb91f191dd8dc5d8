"""The table of a results folder: every visit has its row, whichever job did it, or did not yet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.cli.main import main
from app.cohort import batch
from app.cohort.batch import BatchRequest, plan_batch, run_batch
from app.cohort.engine_settings import EngineSettings
from app.cohort.rows import CohortRow, write_row
from app.core.progress import Progress


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three participants with a resting run each and one without; no scan is ever done."""
    root = tmp_path / "bids"
    for label, task in (("01", "rest"), ("02", "rest"), ("03", "rest"), ("04", "pain")):
        folder = root / f"sub-{label}" / "func"
        folder.mkdir(parents=True)
        (folder / f"sub-{label}_task-{task}_bold.nii.gz").write_bytes(b"x")

    @contextmanager
    def no_engine(_settings: EngineSettings) -> Iterator[Any]:
        yield SimpleNamespace(workers=1, link="", run=lambda *_all, **_more: None)

    monkeypatch.setattr(batch, "open_engine", no_engine)
    return root


def ran(dataset: Path, out: Path, *labels: str) -> dict[str, str]:
    """Participant -> outcome in results.tsv, after a run that was stopped before any scan ended."""
    plan = plan_batch(BatchRequest(dataset, out, participants=labels))
    run_batch(plan, EngineSettings(workers=1), Progress())
    return table(out)


def table(out: Path) -> dict[str, str]:
    with (out / "results.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len({row["participant_id"] for row in rows}) == len(rows)
    return {row["participant_id"]: row["outcome"] for row in rows}


def done(out: Path, label: str) -> None:
    write_row(out, CohortRow(key=f"sub-{label}_task-rest", participant=f"sub-{label}",
                             outcome="withheld", case_id="c"))  # fmt: skip


def test_that_one_label_a_job_makes_one_table(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(out, "01")
    assert ran(dataset, out, "02") == {"sub-01": "withheld", "sub-02": "waiting"}
    done(out, "02")
    assert ran(dataset, out, "03") == {
        "sub-01": "withheld", "sub-02": "withheld", "sub-03": "waiting",
    }  # fmt: skip


def test_that_a_mistyped_label_is_told_and_leaves_no_row(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = plan_batch(BatchRequest(dataset, out, participants=("01", "99")))
    rows = run_batch(plan, EngineSettings(workers=1), Progress())
    assert [(row.participant, row.outcome) for row in rows] == [
        ("sub-01", "waiting"), ("sub-99", "failed"),
    ]  # fmt: skip
    assert table(out) == {"sub-01": "waiting"}
    (dataset / "participants.tsv").write_text("participant_id\tage\nsub-99\t50\n")
    assert ran(dataset, out, "99")["sub-99"] == "failed"  # the table knows it: it has no images


def test_that_the_group_level_lists_who_has_no_result_yet(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    write_row(out, CohortRow("sub-02_task-rest", "sub-02", outcome="failed", reason="Broken."))
    main(["bids", str(dataset), str(out), "group"])
    assert table(out) == {
        "sub-01": "waiting", "sub-02": "failed", "sub-03": "waiting", "sub-04": "failed",
    }  # fmt: skip
    told = capsys.readouterr()
    assert "2 waiting" in told.out
    assert "3 visits of the data set without a result yet" in told.err
