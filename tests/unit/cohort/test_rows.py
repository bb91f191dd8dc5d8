"""Rows of a cohort: withheld numbers nowhere, written whole, pooled only with their like."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cohort.batch import BatchRequest, known_rows, plan_batch
from app.cohort.group import (
    chosen_rows,
    group_result,
    poolable_rows,
    quality_overview,
    refuse_mixed_rows,
)
from app.cohort.group_files import assemble
from app.cohort.learn.scans import scans_of
from app.cohort.prepared import prepared_case_id, read_visit, read_visits, write_prepared
from app.cohort.results_table import COLUMNS, results_text, sidecar
from app.cohort.rows import (
    CohortRow,
    failed_row,
    read_row,
    read_rows,
    row_file,
    row_of_case,
    write_row,
)
from app.cohort.visit_run import PREPARED
from app.core.errors import AppError, ScanError, StorageError
from app.core.results import Case, Connectome, Finding, Outcome, Severity
from tests.sample_case import sample_case


@pytest.fixture(scope="module")
def cases() -> dict[Outcome, Case]:
    return {outcome: sample_case(outcome) for outcome in Outcome}


def _row(key: str, **more: object) -> CohortRow:
    return CohortRow(key=key, participant=key.partition("_")[0], **more)  # type: ignore[arg-type]


def test_that_a_result_brings_its_number_and_a_withheld_case_none(
    cases: dict[Outcome, Case],
) -> None:
    shown = row_of_case(_row("sub-01"), cases[Outcome.RESULT])
    prediction = cases[Outcome.RESULT].prediction
    assert prediction is not None
    assert shown.probability == prediction.probability
    assert (shown.interval_low, shown.interval_high) == prediction.interval
    assert shown.conformal_set == "{R}"
    withheld = row_of_case(_row("sub-01"), cases[Outcome.WITHHELD])
    assert withheld.outcome == "withheld"
    assert withheld.reason
    assert (withheld.probability, withheld.interval_low, withheld.interval_high) == (None,) * 3
    cells = dict(zip((name for name, *_ in COLUMNS), results_text([withheld]).splitlines()[1]
                     .split("\t"), strict=True))  # fmt: skip
    names = ("probability", "interval_low", "interval_high", "conformal_set")
    assert {cells[n] for n in names} == {"n/a"}


def test_that_several_reasons_are_told_apart(cases: dict[Outcome, Case]) -> None:
    case = cases[Outcome.WITHHELD]
    assert case.prediction is not None
    two = replace(case, prediction=replace(case.prediction, reasons=("Withheld: one. Do this.",
                                                                     "Withheld: two")))  # fmt: skip
    row = row_of_case(_row("sub-01"), two)
    assert row.reason == "Withheld: one. Do this; Withheld: two"


def test_that_a_scan_of_unknown_left_and_right_is_in_no_mean_and_no_model(
    cases: dict[Outcome, Case], tmp_path: Path
) -> None:
    """Its number is withheld; what it measured must not be pooled either."""
    case = cases[Outcome.RESULT]
    finding = Finding("scan.orientation", Severity.BLOCKING, "Left and right are unknown.", "")
    note = Finding("scan.note", Severity.WARNING, "A column is odd.", "")
    lost = replace(case, findings=(finding, note))
    row = row_of_case(_row("sub-01", arm="a"), lost)
    assert row.blocking == "Left and right are unknown"
    assert row_of_case(_row("sub-02"), replace(case, findings=(note,))).blocking == ""
    fine = replace(row, key="sub-02", blocking="", scan_sha256="b" * 64)
    kept, why = poolable_rows([row, fine])
    assert [one.key for one in kept] == ["sub-02"]
    assert why == ("1 row with a blocking finding, such as unknown left and right",)
    path = tmp_path / "sub-01_task-rest.npz"
    write_prepared(lost, path)
    (scan,) = scans_of(tmp_path)
    assert scan.blocking == "Left and right are unknown"
    cells = dict(zip((name for name, *_ in COLUMNS), results_text([row]).splitlines()[1]
                     .split("\t"), strict=True))  # fmt: skip
    assert cells["blocking_finding"] == "Left and right are unknown"
    with np.load(path) as archive:  # as an older version wrote it
        older = {name: archive[name] for name in archive.files if name != "blocking"}
    assert prepared_case_id(path) == case.case_id
    np.savez(path, **older)
    assert prepared_case_id(path) == ""  # made anew with the next run


def test_that_a_number_computed_against_a_gate_is_in_no_row(cases: dict[Outcome, Case]) -> None:
    case = cases[Outcome.RESULT]
    assert case.prediction is not None
    overruled = replace(case, prediction=replace(case.prediction, research_only=True))
    row = row_of_case(_row("sub-01"), overruled)
    assert row.probability is None
    assert row.conformal_set == ""


def test_that_rows_are_read_back_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    row = failed_row(_row("sub-01"), ScanError("Cut off.", "Copy it again.", code="scan.cut"))
    write_row(tmp_path, row)
    assert read_row(row_file(tmp_path, "sub-01")) == row
    row_file(tmp_path, "sub-02").write_text("{")
    rows, faults = read_rows(tmp_path)
    assert rows == (row,)
    assert len(faults) == 1
    assert "sub-02.json" in faults[0]


def test_that_a_full_disk_leaves_the_older_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_row(tmp_path, _row("sub-01", site="A"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.study.files.write_file", full)
    with pytest.raises(StorageError) as refused:
        write_row(tmp_path, _row("sub-01", site="B"))
    assert refused.value.code == "study.no_space"
    assert read_row(row_file(tmp_path, "sub-01")).site == "A"
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["sub-01.json"]


def test_that_every_column_of_the_table_is_described() -> None:
    described = sidecar({"age": "years, from months"})
    assert [name for name, *_ in COLUMNS] == results_text([]).strip().split("\t")
    assert {name for name, *_ in COLUMNS} <= set(described)
    assert described["age"]["Units"] == "years"
    assert described["age"]["UnitsInParticipantsTsv"] == "years, from months"


def test_that_a_prepared_file_has_person_and_atlas_but_no_label(
    cases: dict[Outcome, Case], tmp_path: Path
) -> None:
    case = cases[Outcome.RESULT]
    assert case.signals is not None
    path = tmp_path / "sub-01_task-rest.npz"
    write_prepared(case, path)
    visit = read_visit(path)
    assert visit.participant == case.participant.label
    assert (visit.atlas, visit.preset) == (case.signals.atlas, case.signals.preset)
    np.testing.assert_array_equal(visit.cleaned, np.asarray(case.signals.cleaned, np.float32))
    assert prepared_case_id(path) == case.case_id
    with np.load(path) as stored:
        assert int(stored["label"]) == -1
    assert visit.labelled(True).responder is True
    write_prepared(case, tmp_path / "sub-02_task-rest.npz")
    with pytest.raises(StorageError) as twice:
        read_visits(tmp_path)
    assert twice.value.code == "cohort.duplicate"


def test_that_scans_of_two_atlases_are_not_one_cohort(
    cases: dict[Outcome, Case], tmp_path: Path
) -> None:
    case = cases[Outcome.RESULT]
    assert case.signals is not None
    write_prepared(case, tmp_path / "a.npz")
    other = replace(case, signals=replace(case.signals, atlas="A424"),
                    scan=replace(case.scan, sha256="b" * 64))  # fmt: skip
    write_prepared(other, tmp_path / "b.npz")
    with pytest.raises(StorageError) as refused:
        read_visits(tmp_path)
    assert refused.value.code == "cohort.mixed"
    assert "A424" in refused.value.message


# --------------------------------------------------------------------------- groups


def _cohort(case: Case, out: Path, correlations: dict[str, float], **more: str) -> list[CohortRow]:
    """Rows whose matrices have one value everywhere; parcel 0 of sub-01 is not covered."""
    assert case.connectome is not None
    size = case.connectome.matrix.shape[0]
    rows = []
    for number, (name, value) in enumerate(correlations.items()):
        matrix = np.full((size, size), value)
        np.fill_diagonal(matrix, 0.0)
        if number == 0:
            matrix[0, :] = matrix[:, 0] = np.nan
        scan = replace(case.scan, sha256=f"{number:064d}")
        made = replace(case, scan=scan, connectome=Connectome("pearson", matrix, 200))
        write_prepared(made, out / PREPARED / f"{name}.npz")
        row = row_of_case(_row(name, site=f"site-{number % 2}", **more), made)
        row = replace(row, site=f"site-{number % 2}", quality="pass")
        write_row(out, row)
        rows.append(row)
    return rows


def test_that_means_are_of_fishers_z_with_an_n_for_each_connection(
    cases: dict[Outcome, Case], tmp_path: Path
) -> None:
    rows = _cohort(cases[Outcome.RESULT], tmp_path, {"sub-01": 0.2, "sub-02": 0.4, "sub-03": 0.6})
    found = group_result(tmp_path, rows, group_by="site")
    mean = np.tanh(np.mean(np.arctanh(np.float32([0.2, 0.4, 0.6]))))
    assert found.whole.mean[1, 2] == pytest.approx(mean)
    assert found.whole.mean[0, 2] == pytest.approx(np.tanh(np.arctanh([0.4, 0.6]).mean()), rel=1e-6)
    assert (found.whole.count[1, 2], found.whole.count[0, 2]) == (3, 2)
    first, second = found.groups
    assert (first.name, first.scans, second.name, second.scans) == ("site-0", 2, "site-1", 1)
    assert found.difference is not None
    expected = np.tanh(np.arctanh([0.2, 0.6]).mean()) - 0.4
    assert found.difference[1, 2] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("column", ["drug", "time_point", "responder_definition", "atlas"])
def test_that_rows_that_mean_different_things_are_not_pooled(column: str) -> None:
    rows = [_row("sub-01", **{column: "one"}), _row("sub-02", **{column: "other"})]
    with pytest.raises(StorageError) as refused:
        refuse_mixed_rows(rows)
    assert refused.value.code == "cohort.mixed"
    refuse_mixed_rows(chosen_rows(rows, {"participant": "sub-01"}))


def test_that_the_group_level_writes_matrices_and_says_who_was_left_out(
    cases: dict[Outcome, Case], tmp_path: Path
) -> None:
    rows = _cohort(cases[Outcome.RESULT], tmp_path, {"sub-01": 0.2, "sub-02": 0.4})
    write_row(tmp_path, replace(rows[0], key="sub-04", participant="sub-04"))  # the same scan
    write_row(tmp_path, replace(rows[0], key="sub-05", quality="withheld", scan_sha256="c" * 64))
    write_row(tmp_path, _row("sub-06", outcome="failed", reason="Cut off."))
    _, found, told = assemble(tmp_path, tmp_path, group_by="site")
    assert found is not None
    assert found.whole.scans == 2
    assert sorted(told) == ["1 row of the same scan as another row", "1 row withheld for quality",
                            "1 row without an analysis"]  # fmt: skip
    group = tmp_path / "group"
    assert (group / "all_stat-mean_relmat.tsv").is_file()
    difference = group / "site-site0-minus-site1_stat-difference_relmat.json"
    assert json.loads(difference.read_text())["Groups"]["site-0"]["Scans"] == 1
    with pytest.raises(StorageError):
        group_result(tmp_path, rows, group_by="shoe_size")


def test_that_quality_is_counted_by_site() -> None:
    rows = [_row("sub-01", site="A", quality="pass", mean_fd_mm=0.1),
            _row("sub-02", site="A", quality="withheld", mean_fd_mm=0.5),
            _row("sub-03", site="B", outcome="failed")]  # fmt: skip
    header, whole, a, b = quality_overview(rows)
    assert dict(zip(header, whole, strict=True))["rows"] == "3"
    assert dict(zip(header, a, strict=True))["mean_fd_mm_median"] == "0.3"
    assert dict(zip(header, b, strict=True))["failed"] == "1"


# --------------------------------------------------------------------------- plans


def test_that_a_plan_reads_names_only_and_takes_up_earlier_rows(tmp_path: Path) -> None:
    root, out = tmp_path / "bids", tmp_path / "out"
    for name in ("sub-01", "sub-02"):
        func = root / name / "func"
        func.mkdir(parents=True)
        (func / f"{name}_task-rest_bold.nii.gz").write_bytes(b"x" * 100)
    plan = plan_batch(BatchRequest(root, out))
    assert list(plan.tasks) == ["sub-01_task-rest", "sub-02_task-rest"]
    assert plan.largest_file_bytes == 100
    assert not out.exists()
    write_row(out, replace(plan.rows[0], outcome="withheld", case_id="c"))
    assert [row.finished for row in known_rows(plan)] == [True, False]
    only = plan_batch(BatchRequest(root, out, keys=("sub-02_task-rest",)))
    assert list(only.tasks) == ["sub-02_task-rest"]


@pytest.mark.parametrize(
    ("out", "code"), [("bids", "cohort.inside"), ("bids/sub-01/x", "cohort.inside"), ("out", "")]
)
def test_that_results_do_not_go_among_the_data(tmp_path: Path, out: str, code: str) -> None:
    func = tmp_path / "bids" / "sub-01" / "func"
    func.mkdir(parents=True)
    (func / "sub-01_task-rest_bold.nii.gz").write_bytes(b"x")
    request = BatchRequest(tmp_path / "bids", tmp_path / out)
    if not code:
        plan_batch(request)
        plan_batch(replace(request, out_dir=tmp_path / "bids" / "derivatives" / "nr"))
        return
    with pytest.raises(AppError) as refused:
        plan_batch(request)
    assert refused.value.code == code


def test_that_a_folder_without_anybody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppError) as refused:
        plan_batch(BatchRequest(tmp_path, tmp_path / "derivatives"))
    assert refused.value.code == "cohort.nobody"
    with pytest.raises(AppError) as absent:
        plan_batch(BatchRequest(tmp_path / "absent", tmp_path / "out"))
    assert absent.value.code == "cohort.no_folder"
