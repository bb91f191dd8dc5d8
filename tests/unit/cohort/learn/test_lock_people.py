"""Who was there at the lock: recorded without names; whoever leaves or comes is a deviation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.cohort.learn.exclusions import (
    is_left_out,
    labels_of,
    refuse_unknown,
    visits_of,
    without_scan,
)
from app.cohort.learn.labelled import label_cohort, read_cohort
from app.cohort.learn.lock_people import PEOPLE_FILE
from app.cohort.learn.plan_lock import LOCK_FILE, LockedPlan, lock_plan
from app.core.errors import AppError
from app.core.provenance import record_sha256
from tests.unit.cohort.learn.small import Made, make_cohort, small_plan, write_scan

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


def test_that_data_replaced_under_the_same_name_are_a_deviation(tmp_path, made):
    lock(made, tmp_path)
    for number, series in ((2, 5), (9, 6), (9, 7)):
        rng = np.random.default_rng(series)
        write_scan(made.folder, f"sub-{number:03d}", rng.standard_normal((60, 12)), site="s0")
    (one,) = lock(made, tmp_path).deviations
    assert (one.what, one.planned, one.done, one.reason) == (
        "prepared data", "as at the lock", "changed for 2 people",
        "2 people's prepared data changed after the lock",
    )  # fmt: skip
    scan(made, 4).unlink()
    who, data = lock(made, tmp_path).deviations
    assert (who.what, data.what) == ("participants", "prepared data")
    text = (tmp_path / "result" / "private" / PEOPLE_FILE).read_text()
    assert "sub-" not in text


def test_that_motion_or_quality_alone_is_a_change_and_another_file_of_the_same_is_none(
    tmp_path, made
):
    lock(made, tmp_path)
    with np.load(scan(made, 1)) as archive:
        values = dict(archive)
    np.savez_compressed(scan(made, 1), **values)
    assert lock(made, tmp_path).deviations == ()
    np.savez(scan(made, 1), **(values | {"mean_fd_mm": 0.01}))
    (one,) = lock(made, tmp_path).deviations
    assert one.reason == "1 person's prepared data changed after the lock"


def test_that_an_older_lock_that_records_no_data_says_so(tmp_path, made):
    lock(made, tmp_path)
    private, public = (
        tmp_path / "result" / "private" / PEOPLE_FILE, tmp_path / "result" / LOCK_FILE,
    )  # fmt: skip
    record, locked = json.loads(private.read_text()), json.loads(public.read_text())
    record["participants"] = [one[:2] for one in record["participants"]]
    locked["participants"]["sha256"] = record_sha256([record["salt"], record["participants"]])
    private.write_text(json.dumps(record))
    public.write_text(json.dumps(locked))
    (one,) = lock(made, tmp_path).deviations
    assert (one.what, one.planned) == ("prepared data", "not recorded")


def test_that_people_are_left_out_by_hand_though_their_scans_are_there(tmp_path, made):
    by_hand = visits_of(["sub-004", "007"])
    assert by_hand == (("sub-004", ""), ("sub-007", ""))
    found = read_cohort(made.folder, made.table, small_plan(), by_hand=by_hand)
    assert len(found) == COUNT - 2
    assert {(one.identifier, one.reason) for one in found.excluded} == {
        ("sub-004", "excluded by hand"), ("sub-007", "excluded by hand"),
    }  # fmt: skip
    lock(made, tmp_path)
    (one,) = lock(made, tmp_path, by_hand=by_hand).deviations
    assert (
        "2 participants who were there at the lock are missing (2 excluded by hand)" in one.reason
    )


def test_that_one_visit_of_a_person_can_be_left_out():
    assert labels_of(visits_of(["sub-01_ses-2", "02"])) == ["sub-01_ses-2", "sub-02"]
    assert is_left_out(("sub-01", "ses-2"), visits_of(["sub-01_ses-2"]))
    assert not is_left_out(("sub-01", "ses-1"), visits_of(["sub-01_ses-2"]))
    assert is_left_out(("sub-02", "ses-1"), visits_of(["02"]))
    kept = without_scan(  # a table that tells no sessions: one of two scans is left
        [("sub-01", "")], [("sub-01", "")], visits_of(["sub-01_ses-2"]), sessions=False
    )
    assert kept == [("sub-01", "excluded by hand")]


@pytest.mark.parametrize(("label", "words"), [("sub-99", "not in the table"), ("a b", "no label")])
def test_that_a_misspelt_exclusion_is_refused(label, words):
    with pytest.raises(AppError, match=words):
        refuse_unknown(visits_of([label]), {("sub-01", "")}, sessions=False)


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
