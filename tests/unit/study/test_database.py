"""The index binds participants, scans and results, one writer at a time, all or nothing."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.errors import StorageError
from app.core.results import Case
from app.study import audit, engine
from app.study.case_store import write_case
from app.study.database import DATABASE_FILE, StudyIndex, open_index


@pytest.fixture
def stored(tmp_path: Path, small_case: Case, withheld: Callable[[Case], Case]) -> tuple[Case, Path]:
    case = withheld(small_case)
    return case, write_case(case, tmp_path / "cases")


def test_that_a_scan_keeps_its_participant(tmp_path: Path, stored: tuple[Case, Path]) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        assert index.participant_of_scan(case.scan.sha256) is None
        assert index.record(case, folder) == ()
    with open_index(tmp_path) as index:
        assert index.participant_of_scan(case.scan.sha256) == case.participant.uuid
        (recent,) = index.recent_cases()
        assert (recent.case_id, recent.label, recent.outcome) == (
            case.case_id, "sub-7", "withheld",
        )  # fmt: skip
        assert recent.folder == folder
        assert index.verify().sequence == 1


def test_that_the_same_scan_under_two_participants_is_a_warning(
    tmp_path: Path, stored: tuple[Case, Path]
) -> None:
    case, folder = stored
    other = replace(case, participant=replace(case.participant, uuid="b7", label="sub-8"))
    second = write_case(other, tmp_path / "others")
    with open_index(tmp_path) as index:
        index.record(case, folder)
        (warning,) = index.record(other, second)
        assert "2 participants" in warning
        assert index.participant_of_scan(case.scan.sha256) == case.participant.uuid


def test_that_recording_a_folder_again_keeps_one_line(
    tmp_path: Path, stored: tuple[Case, Path]
) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        index.record(case, folder)
        index.record(case, folder)
        assert len(index.recent_cases()) == 1
        assert index.verify().sequence == 2


def test_that_a_result_without_a_participant_cannot_be_entered(tmp_path: Path) -> None:
    with open_index(tmp_path) as index, pytest.raises(sqlite3.IntegrityError):
        index._connection.execute("INSERT INTO scans VALUES ('s', 'nobody', 'now')")


def test_that_a_failed_change_leaves_no_half(
    tmp_path: Path, stored: tuple[Case, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, folder = stored

    def fail(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    with open_index(tmp_path) as index:
        monkeypatch.setattr(audit, "append", fail)
        with pytest.raises(StorageError) as caught:
            index.record(case, folder)
        monkeypatch.undo()
        assert caught.value.code == "study.no_space"
        assert index.recent_cases() == ()
        assert index.participant_of_scan(case.scan.sha256) is None
        assert index.record(case, folder) == ()


@pytest.mark.parametrize(
    ("version", "plan"),
    [
        ((3, 40, 1), ("DELETE", "EXTRA")),
        ((3, 51, 2), ("DELETE", "EXTRA")),
        ((3, 51, 3), ("WAL", "FULL")),
        ((3, 50, 6), ("DELETE", "EXTRA")),
        ((3, 50, 7), ("WAL", "FULL")),
        ((3, 44, 6), ("WAL", "FULL")),
        ((3, 45, 0), ("DELETE", "EXTRA")),
        ((4, 0, 0), ("WAL", "FULL")),
    ],
)
def test_that_the_journal_follows_the_engine_and_is_read_back(
    tmp_path: Path, version: tuple[int, int, int], plan: tuple[str, str]
) -> None:
    assert engine.journal_plan(version) == plan
    with open_index(tmp_path, engine=version) as index:
        (mode,) = index._connection.execute("PRAGMA journal_mode").fetchone()
        assert mode.upper() == plan[0]


def test_that_a_journal_that_does_not_take_is_refused() -> None:
    connection = sqlite3.connect(":memory:")  # memory knows neither WAL nor DELETE
    with pytest.raises(StorageError) as caught:
        engine.apply_pragmas(connection, (3, 51, 3))
    connection.close()
    assert caught.value.code == "study.unsafe_engine"


def test_that_a_network_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.refuse_network_folder(tmp_path)
    monkeypatch.setattr(engine, "file_system_of", lambda folder: "nfs4")
    with pytest.raises(StorageError) as caught:
        engine.refuse_network_folder(tmp_path)
    assert caught.value.code == "study.network_folder"


def test_that_a_second_writer_waits_and_then_is_told(tmp_path: Path) -> None:
    with open_index(tmp_path):
        with pytest.raises(StorageError) as caught, open_index(tmp_path, lock_wait_s=0.1):
            pass
        assert caught.value.code == "study.busy"
    with open_index(tmp_path, lock_wait_s=0.1):
        pass


def test_that_a_newer_schema_is_refused(tmp_path: Path) -> None:
    with open_index(tmp_path) as index:
        index._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError) as caught, open_index(tmp_path):
        pass
    assert caught.value.code == "study.newer_schema"


def test_that_a_file_that_is_no_database_is_one_error(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"x" * 5000)
    with pytest.raises(StorageError) as caught, open_index(tmp_path):
        pass
    assert caught.value.code == "study.index_damaged"


def test_that_processes_do_not_lose_each_others_rows(
    tmp_path: Path, stored: tuple[Case, Path]
) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        index.record(case, folder)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=note_often, args=(tmp_path, case)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    with open_index(tmp_path) as index:
        assert index.verify().sequence == 1 + 3 * 10


def note_often(folder: Path, case: Case) -> None:
    for _ in range(10):
        with open_index(folder, lock_wait_s=30.0) as index:
            index.note("open", case)


def test_that_the_chain_cannot_be_changed_through_sql(
    tmp_path: Path, stored: tuple[Case, Path]
) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        index.record(case, folder)
        for text in ("UPDATE audit SET outcome = 'x'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError):
                index._connection.execute(text)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET outcome = 'other' WHERE sequence = 2",
        "UPDATE audit SET utc = utc || '0' WHERE sequence = 3",
        "UPDATE audit SET monotonic_s = monotonic_s + 1 WHERE sequence = 1",
        "DELETE FROM audit WHERE sequence = 2",
        "UPDATE audit SET sequence = 9 WHERE sequence = 3",
        "UPDATE audit SET participant_uuid = 'b' WHERE sequence = 3",
    ],
)
def test_that_every_edit_of_the_chain_is_found_and_the_study_becomes_read_only(
    tmp_path: Path, stored: tuple[Case, Path], change: str
) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        index.record(case, folder)
        index.note("open", case)
        index.note("export", case)
        tamper(index, change)
    with open_index(tmp_path) as index:
        assert len(index.recent_cases()) == 1
        with pytest.raises(StorageError) as caught:
            index.note("open", case)
        assert caught.value.code == "study.index_read_only"
        with pytest.raises(StorageError) as broken:
            index.verify()
        assert broken.value.code == "study.audit_broken"


def test_that_rows_cut_off_the_end_are_found_with_a_head_that_was_printed(
    tmp_path: Path, stored: tuple[Case, Path]
) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        index.record(case, folder)
        printed = index.note("export", case)
        assert index.verify(printed) == printed
        tamper(index, "DELETE FROM audit WHERE sequence = 2")
        assert index.verify().sequence == 1
        with pytest.raises(StorageError):
            index.verify(printed)


def test_that_audit_rows_hold_no_label_and_no_path(
    tmp_path: Path, stored: tuple[Case, Path]
) -> None:
    case, folder = stored
    with open_index(tmp_path) as index:
        index.record(case, folder)
        text = repr(index._connection.execute("SELECT * FROM audit").fetchall())
    assert case.participant.label not in text
    assert str(tmp_path) not in text


def tamper(index: StudyIndex, change: str) -> None:
    """What somebody with another tool can do."""
    index._connection.execute("DROP TRIGGER audit_no_update")
    index._connection.execute("DROP TRIGGER audit_no_delete")
    index._connection.execute(change)
