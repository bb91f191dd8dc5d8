"""The plan, its lock, and that no outcome is read before it."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest

from app.cohort.learn.labelled import label_cohort, read_cohort
from app.cohort.learn.participants_table import ParticipantsTable
from app.cohort.learn.plan import parse_plan, plan_toml, read_plan
from app.cohort.learn.plan_lock import lock_plan
from app.cohort.learn.scans import scans_of
from app.core.errors import AppError, StorageError
from tests.unit.cohort.learn.small import (
    labelled,
    make_cohort,
    plan_values,
    small_plan,
    write_scan,
)


@pytest.fixture
def made(tmp_path):
    return make_cohort(tmp_path, 24)


def test_that_a_plan_survives_its_file_with_its_hash(tmp_path):
    plan = small_plan()
    path = tmp_path / "plan.toml"
    path.write_text("# a comment\n" + plan_toml(plan), encoding="utf-8")
    assert read_plan(path).sha256 == plan.sha256
    assert small_plan(protocol={"seed": 8}).sha256 != plan.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"estimand": {"drop_out": None}}, "estimand.drop_out is missing"),
        ({"treatment": None}, "treatment is missing"),
        ({"outcome": {"colum": "x"}}, "did you mean column"),
        ({"responder": {"secondary": ["NRS fall >= 30 %"]}}, "mix the scales"),
        ({"responder": {"definition": "NRS fall >= 30 %", "secondary": []}}, "about 'NRS'"),
        ({"responder": {"definition": "VAS rise >= 30 %", "secondary": []}}, "opposite"),
        ({"select": {"vas_after": ["4"]}}, "never chosen by their outcome"),
        ({"columns": {"baseline_pain": "vas_after"}}, "known before treatment"),
        ({"models": {"rivals": ["linear"]}}, "twice"),
        ({"protocol": {"repeats": 0}}, "protocol.repeats"),
    ],
)  # fmt: skip
def test_that_an_incomplete_plan_is_refused_by_field(change, words):
    with pytest.raises(AppError, match=words):
        parse_plan(plan_values(**change))


def test_that_labels_need_a_lock_that_is_on_disk_first(tmp_path, made):
    plan = small_plan()
    cohort = read_cohort(made.folder, made.table, plan)
    assert not any("vas_after" in row for row in ParticipantsTable.read(made.table, plan).rows)
    locked = lock_plan(plan, made.table, tmp_path / "result")
    record = json.loads((tmp_path / "result" / "plan.lock.json").read_text())
    assert record["plan_sha256"] == plan.sha256 == locked.sha256
    found = label_cohort(cohort, locked)
    np.testing.assert_array_equal(found.labels, made.responders)


def test_that_the_first_lock_stays_and_a_change_is_a_deviation(tmp_path, made):
    first = small_plan()
    lock_plan(first, made.table, tmp_path / "result")
    again = lock_plan(first, made.table, tmp_path / "result")
    assert again.deviations == ()
    changed = lock_plan(small_plan(protocol={"seed": 99}), made.table, tmp_path / "result")
    assert changed.sha256 == first.sha256
    (one,) = changed.deviations
    assert (one.what, one.planned, one.done) == ("protocol.seed", "7", "99")
    made.table.write_text(made.table.read_text() + "sub-999\t50\tF\ts0\t6\t5\n")
    assert lock_plan(first, made.table, tmp_path / "result").deviations[0].what == (
        "participants.tsv"
    )


def test_that_units_and_codes_exchanged_after_the_lock_are_a_deviation(tmp_path, made):
    plan, folder, described = small_plan(), tmp_path / "result", made.table.with_suffix(".json")
    lock_plan(plan, made.table, folder)
    described.write_text('{"sex": {"Levels": {"F": "male", "M": "female"}}}')
    (one,) = lock_plan(plan, made.table, folder).deviations
    assert (one.what, one.planned) == ("participants.json", "no such file")
    assert one.done.startswith("SHA-256")
    described.unlink()
    assert lock_plan(plan, made.table, folder).deviations == ()
    record = json.loads((folder / "plan.lock.json").read_text())
    del record["description_sha256"]  # locked by an earlier version
    (folder / "plan.lock.json").write_text(json.dumps(record))
    assert lock_plan(plan, made.table, folder).deviations == ()


@pytest.mark.parametrize("left", ["evaluation.json", "private/folds/x"])
def test_that_a_folder_with_results_but_without_its_lock_is_refused(tmp_path, made, left):
    folder = tmp_path / "result"
    (folder / left).parent.mkdir(parents=True)
    (folder / left).write_text("{}")
    with pytest.raises(AppError, match="the lock is gone") as refused:
        lock_plan(small_plan(), made.table, folder)
    assert refused.value.code == "cohort.lock"
    assert not (folder / "plan.lock.json").exists()


def test_that_a_scan_without_a_single_value_is_refused_by_its_file(made):
    path = made.folder / "cohort_sub-003.npz"
    values = dict(np.load(path))
    values["cleaned"] = np.full_like(values["cleaned"], np.nan)
    np.savez(path, **values)
    with pytest.raises(StorageError, match=r"cohort_sub-003.npz cannot be read"):
        read_cohort(made.folder, made.table, small_plan())


def test_that_an_edited_lock_is_refused(tmp_path, made):
    lock_plan(small_plan(), made.table, tmp_path / "result")
    path = tmp_path / "result" / "plan.lock.json"
    record = json.loads(path.read_text())
    record["plan"]["protocol"]["seed"] = 1
    path.write_text(json.dumps(record))
    with pytest.raises(AppError, match="lock was edited"):
        lock_plan(small_plan(), made.table, tmp_path / "result")
    path.write_text("{")
    with pytest.raises(AppError, match="damaged"):
        lock_plan(small_plan(), made.table, tmp_path / "result")


def test_that_a_full_disk_leaves_no_lock(tmp_path, made, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("app.cohort.learn.plan_lock.write_file", full)
    with pytest.raises(StorageError, match="no space left"):
        lock_plan(small_plan(), made.table, tmp_path / "result")
    assert not list((tmp_path / "result").iterdir())


def lines(made):
    return made.table.read_text().splitlines()


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda rows: [rows[0].replace("participant_id", "id"), *rows[1:]], "participant_id"),
        (lambda rows: [rows[0].replace("vas_after", "other"), *rows[1:]], "no column 'vas_after'"),
        (lambda rows: [rows[0].replace("age", "sex"), *rows[1:]], "column twice"),
        (lambda rows: [*rows, rows[1]], "are there twice, sub-000 first"),
        (lambda rows: [*rows[:2], rows[2] + "\t1", *rows[3:]], "row 3 has 7 cells"),
        (lambda rows: [rows[0], "n/a" + rows[1][7:], *rows[2:]], "no participant_id"),
        (lambda rows: rows[:-1], "not in the table, sub-023 first"),
    ],
)
def test_that_a_faulty_table_is_refused(made, edit, words):
    made.table.write_text("\n".join(edit(lines(made))) + "\n")
    with pytest.raises(AppError, match=words):
        read_cohort(made.folder, made.table, small_plan())


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("lots", "no number"),
        ("62", r"outside the scale of 0 to 10: column 'vas_after', row of sub-002\."),
        ("inf", "infinite"),
    ],
)
def test_that_a_faulty_outcome_is_refused(tmp_path, made, cell, words):
    rows = lines(made)
    rows[3] = "\t".join([*rows[3].split("\t")[:-1], cell])
    made.table.write_text("\n".join(rows) + "\n")
    with pytest.raises(AppError, match=words):
        labelled(tmp_path, made)


def test_that_people_without_outcome_are_left_out_by_name(tmp_path, made):
    rows = lines(made)
    rows[3] = "\t".join([*rows[3].split("\t")[:-1], "n/a"])
    made.table.write_text("\n".join(rows) + "\n")
    found = labelled(tmp_path, made)
    assert len(found) == 23
    assert [(one.identifier, one.reason) for one in found.excluded] == [
        ("sub-002", "outcome unknown")
    ]


def test_that_one_class_alone_is_refused(tmp_path, made):
    plan = small_plan(responder={"definition": "VAS fall >= 100 %", "secondary": []})
    rows = [row.rsplit("\t", 1)[0] + "\t4" for row in lines(made)[1:]]
    made.table.write_text("\n".join([lines(made)[0], *rows]) + "\n")
    with pytest.raises(AppError, match="a non-responder by 'VAS fall >= 100 %'"):
        labelled(tmp_path, made, plan)


def test_that_an_outcome_that_is_known_of_nobody_is_told_as_that(tmp_path, made):
    rows = [row.rsplit("\t", 1)[0] + "\tn/a" for row in lines(made)[1:]]
    made.table.write_text("\n".join([lines(made)[0], *rows]) + "\n")
    with pytest.raises(AppError, match="The outcome is known of nobody: 'vas_after'") as refused:
        labelled(tmp_path, made)
    assert refused.value.code == "cohort.classes"


def test_that_a_label_that_contradicts_its_definition_is_refused(tmp_path, made):
    rows = lines(made)
    table = ["participant_id\tresponse\tpercent"]
    for number, share in enumerate(made.improvement):
        table.append(f"{rows[number + 1].split()[0]}\t{int(share >= 0.3)}\t{100 * share}")
    plan = small_plan(
        outcome={"column": "response", "kind": "label", "check_column": "percent",
                 "baseline_column": None},
        responder={"definition": "VAS fall >= 30 %", "secondary": ["VAS fall >= 50 %"]},
    )  # fmt: skip
    made.table.write_text("\n".join(table) + "\n")
    found = labelled(tmp_path, made, plan)
    assert found.by_definition["VAS fall >= 50 %"].sum() == (made.improvement >= 0.5).sum()
    table[5] = (
        table[5].replace("\t1\t", "\t0\t")
        if "\t1\t" in table[5]
        else table[5].replace("\t0\t", "\t1\t")
    )
    made.table.write_text("\n".join(table) + "\n")
    with pytest.raises(AppError, match=r"contradicts the definition .* in 1 of 24 people"):
        labelled(tmp_path, made, plan)


def test_that_mixed_definitions_in_the_table_are_refused(tmp_path, made):
    rows = lines(made)
    words = ["VAS fall >= 30 %", "VAS fall >= 50 %"]
    table = [rows[0] + "\tresponder_definition"]
    table += [f"{row}\t{words[number % 2]}" for number, row in enumerate(rows[1:])]
    made.table.write_text("\n".join(table) + "\n")
    with pytest.raises(AppError, match="mixes 2 responder definitions"):
        read_cohort(made.folder, made.table, small_plan())
    made.table.write_text("\n".join(table).replace(words[1], words[0]) + "\n")
    assert len(read_cohort(made.folder, made.table, small_plan())) == 24
    made.table.write_text("\n".join(table).replace(words[0], words[1]) + "\n")
    with pytest.raises(AppError, match="definition is 'vas fall >= 50 %'"):
        read_cohort(made.folder, made.table, small_plan())


def test_that_a_selection_and_bad_quality_are_told(made, tmp_path):
    series = np.random.default_rng(5).standard_normal((60, 12))
    write_scan(made.folder, "sub-000", series, verdict="withheld")
    write_scan(made.folder, "sub-002", series[::-1], blocking="Left and right are unknown")
    found = read_cohort(made.folder, made.table, small_plan(select={"site": ["s0"]}))
    assert len(found) == 10
    reasons = {one.identifier: one.reason for one in found.excluded}
    assert reasons["sub-000"] == "quality withholds a number"
    assert reasons["sub-001"] == "not selected by the plan"
    assert reasons["sub-002"] == "not usable: Left and right are unknown"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"atlas": "other"}, "differ in the atlas"),
        ({"preset": "other"}, "differ in the preset"),
        ({"repetition_time_s": 3.0}, "differ in the repetition time"),
        ({"simulated": False}, "simulated people stand beside real ones"),
        ({"units": "scanner"}, "holds uncleaned series"),
    ],
)
def test_that_mixed_recipes_are_refused(made, more, words):
    write_scan(made.folder, "sub-003", np.random.default_rng(5).standard_normal((60, 12)), **more)
    with pytest.raises(AppError, match=words):
        read_cohort(made.folder, made.table, small_plan())


def test_that_another_number_of_parcels_is_refused(made):
    write_scan(made.folder, "sub-003", np.random.default_rng(5).standard_normal((60, 9)))
    with pytest.raises(AppError, match="number of parcels"):
        read_cohort(made.folder, made.table, small_plan())


def test_that_one_scan_under_two_names_is_refused(made):
    series = np.random.default_rng(5).standard_normal((60, 12))
    write_scan(made.folder, "sub-003", series)
    write_scan(made.folder, "sub-004", series)
    with pytest.raises(StorageError, match=r"its parcel series.* 2 times: .*003.*004"):
        read_cohort(made.folder, made.table, small_plan())


def test_that_a_damaged_file_is_named(made):
    (made.folder / "cohort_sub-003.npz").write_bytes(b"PK")
    with pytest.raises(StorageError, match=r"cohort_sub-003.npz cannot be read"):
        read_cohort(made.folder, made.table, small_plan())


@pytest.mark.parametrize("how", ["beyond 1", "uneven"])
def test_that_a_matrix_that_is_no_correlation_is_refused_by_its_file(made, how):
    path = made.folder / "cohort_sub-003.npz"
    values = dict(np.load(path))
    values["matrix"][2, 5] = 3.0 if how == "beyond 1" else 0.9
    if how == "beyond 1":
        values["matrix"][5, 2] = 3.0
    np.savez(path, **values)
    with pytest.raises(StorageError, match=r"cohort_sub-003.npz.* no correlations"):
        read_cohort(made.folder, made.table, small_plan())


def test_that_the_label_inside_a_prepared_file_is_never_used(tmp_path, made):
    found = labelled(tmp_path, made)  # every file says responder
    assert 0 < found.labels.sum() < len(found)


def test_that_a_prepared_file_cut_short_is_named_and_a_parent_folder_will_do(tmp_path):
    made = make_cohort(tmp_path, 6)
    assert len(scans_of(tmp_path)) == 6  # ``prepared`` in the folder that was given
    path = sorted(made.folder.glob("*.npz"))[2]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AppError, match=f"{path.name} cannot be read"):
        scans_of(made.folder)
