"""The log tells what and where in the code, never who or which file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.logs import KEPT_FILES, MAX_BYTES, log_event, log_fault, log_file


def test_that_plain_facts_are_written() -> None:
    log_event("worker.died", exit_code=-9, where="jobs.py:12 < main.py:3", nothing=None)
    line = json.loads(log_file().read_text())
    assert (line["code"], line["exit_code"], line["nothing"]) == ("worker.died", -9, None)
    assert line["where"] == "jobs.py:12 < main.py:3"


@pytest.mark.parametrize("text", ["/data/Jane Doe/a.nii", "C:\\x", "Jane, Doe", "x" * 500, "ü"])
def test_that_text_that_may_name_somebody_is_left_out(text: str) -> None:
    log_event("scan.opened", text=text)
    assert text not in log_file().read_text()
    assert "(left out)" in log_file().read_text()


def test_that_a_fault_shows_its_place_and_not_its_text() -> None:
    try:
        raise ValueError("/data/Jane Doe.nii.gz")
    except ValueError as fault:
        log_fault("cli.unexpected", fault)
    text = log_file().read_text()
    assert "ValueError" in text
    assert "test_logs.py:" in text
    assert "Jane" not in text


def test_that_the_log_stays_small() -> None:
    for _ in range(3000):
        log_event("x", where="a" * 400)
    files = list(log_file().parent.glob("neuroresponder.log*"))
    assert 2 <= len(files) <= KEPT_FILES + 1
    assert sum(file.stat().st_size for file in files) <= (KEPT_FILES + 1) * MAX_BYTES


def test_that_a_log_that_cannot_be_written_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "file"))
    log_event("x")
