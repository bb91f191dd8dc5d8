"""An overruled verdict is always in the index and its audit log; nothing else goes there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.core.errors import StorageError
from app.core.results import Case, Outcome
from app.study.case_store import write_case
from app.study.database import open_index
from app.study.overrides import known_participant, log_override
from tests.sample_case import sample_case


def overruled() -> Case:
    case, other = sample_case(Outcome.RESULT), sample_case(Outcome.WITHHELD)
    assert case.prediction is not None
    prediction = replace(case.prediction, research_only=True)
    return replace(case, quality=other.quality, prediction=prediction)


def test_that_an_overruled_case_is_entered_under_its_participant(tmp_path: Path) -> None:
    case = overruled()
    folder = write_case(case, tmp_path, files={})
    assert known_participant(case.scan.sha256) == ""
    assert log_override(case, folder) == ()
    assert known_participant(case.scan.sha256) == case.participant.uuid
    with open_index() as index:
        assert [entry.case_id for entry in index.recent_cases()] == [case.case_id]
        index.verify()


def test_that_any_other_case_leaves_the_index_alone(tmp_path: Path) -> None:
    case = sample_case(Outcome.RESULT)
    assert log_override(case, write_case(case, tmp_path, files={})) == ()
    with open_index() as index:
        assert index.recent_cases() == ()


def test_that_a_log_that_cannot_be_written_is_an_error(tmp_path: Path, isolated_home: Path) -> None:
    case = overruled()
    folder = write_case(case, tmp_path, files={})
    isolated_home.mkdir(parents=True, exist_ok=True)
    (isolated_home / "data").write_text("in the way")
    with pytest.raises(StorageError):
        log_override(case, folder)
