"""Who was there at the lock: recorded without names; whoever leaves or comes is a deviation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cohort.learn.labelled import label_cohort, read_cohort
from app.cohort.learn.lock_people import PEOPLE_FILE
from app.cohort.learn.plan_lock import LOCK_FILE, LockedPlan, lock_plan
from app.core.errors import AppError
from tests.unit.cohort.learn.small import Made, make_cohort, small_plan

COUNT = 30


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_cohort(tmp_path, COUNT)


def lock(made: Made, place: Path, *, by_hand: tuple[tuple[str, str], ...] = ()) -> LockedPlan:
    people = read_cohort(made.folder, made.table, small_plan(), by_hand=by_hand)
    return people.lock(small_plan(), place / "result")


def scan(made: Made, number: int) -> Path:
    return made.folder / f"cohort_sub-{number:03d}.npz"


def test_that_the_same_people_are_no_deviation_and_nobody_is_named(tmp_path, made):
    first = lock(made, tmp_path)
    text = (tmp_path / "result" / LOCK_FILE).read_text()
    private = tmp_path / "result" / "private" / PEOPLE_FILE
    assert json.loads(text)["participants"]["count"] == COUNT
    assert len(json.loads(private.read_text())["participants"]) == COUNT
    assert "sub-" not in text + private.read_text()
    assert private.parent.stat().st_mode & 0o077 == 0
    assert lock(made, tmp_path).deviations == first.deviations == ()
    lock(made, tmp_path / "other")  # another salt: two locks cannot be joined by their hashes
    other = tmp_path / "other" / "result" / "private" / PEOPLE_FILE
    one, two = (json.loads(path.read_text())["participants"] for path in (private, other))
    assert not {tuple(pair) for pair in one} & {tuple(pair) for pair in two}


def test_that_people_who_leave_or_come_after_the_lock_are_counted_as_deviation(tmp_path, made):
    kept = scan(made, 0).read_bytes()
    scan(made, 0).unlink()
    lock(made, tmp_path)
    for number in (3, 4, 7):
        scan(made, number).unlink()
    scan(made, 0).write_bytes(kept)
    found = lock(made, tmp_path, by_hand=(("sub-004", ""), ("sub-999", "")))
    (one,) = found.deviations
    assert (one.what, one.planned, one.done) == (
        "participants", "29 participants", "27 participants",
    )  # fmt: skip
    assert one.reason == (
        "3 participants who were there at the lock are missing (1 excluded by hand, "
        "2 no prepared scan), 1 added after it"
    )
    people = read_cohort(made.folder, made.table, small_plan())
    assert label_cohort(people, found).deviations == found.deviations


def test_that_as_many_others_are_a_deviation_too(tmp_path, made):
    kept = scan(made, 0).read_bytes()
    scan(made, 0).unlink()
    lock(made, tmp_path)
    scan(made, 0).write_bytes(kept)
    scan(made, 1).unlink()
    (one,) = lock(made, tmp_path).deviations
    assert one.planned == one.done == "29 participants"
    assert "1 participant who was there at the lock is missing" in one.reason
    assert "1 added" in one.reason


def test_that_a_lock_without_people_stays_readable_and_says_so(tmp_path, made):
    lock_plan(small_plan(), made.table, tmp_path / "result")
    assert "participants" not in json.loads((tmp_path / "result" / LOCK_FILE).read_text())
    (one,) = lock(made, tmp_path).deviations
    assert (one.what, one.planned, one.done) == (
        "participants", "not recorded", "30 participants",
    )  # fmt: skip
    assert lock_plan(small_plan(), made.table, tmp_path / "result").deviations == ()


def test_that_a_record_that_is_gone_is_told_and_an_edited_one_is_refused(tmp_path, made):
    lock(made, tmp_path)
    path = tmp_path / "result" / "private" / PEOPLE_FILE
    record = json.loads(path.read_text())
    path.unlink()
    scan(made, 5).unlink()
    (one,) = lock(made, tmp_path).deviations
    assert "record of who was there at the lock is gone" in one.reason
    assert one.reason.endswith("-1 in number")
    record["participants"].pop()
    for text in (json.dumps(record), "{"):
        path.write_text(text)
        with pytest.raises(AppError, match="who was there at the lock was edited"):
            lock(made, tmp_path)
