"""Summaries that are signed in versions, written for many cases, and opened again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader, PdfWriter

from app.analysis import reopening
from app.analysis.reopening import recompute, reopen
from app.analysis.reports import Layout, batch_reports, preview_pages, sign_report, signed_versions
from app.core.errors import AppError
from app.core.results import Case
from app.core.signing import LONGEST_COMMENT, UNSIGNED, ReaderNote
from app.reporting.privacy import reportable
from app.reporting.reading import ATTACHMENT, HASH_KEY, read_report
from app.reporting.report import write_summary
from app.study.case_store import damaged_files, read_case, write_case
from app.study.database import open_index
from tests.unit.reporting.small_case import small_case, withheld, write_view

NOTE = ReaderNote("Slight motion.", "A. B.", quality_confirmed=True)


def stored_case() -> Case:
    """The report's small case as a case folder can hold it."""
    return replace(small_case(), motion=None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case folder that no test changes."""
    place = tmp_path_factory.mktemp("made")
    write_view(place)
    files = {f"view/{path.name}": path for path in (place / "view").iterdir()}
    return write_case(stored_case(), place / "cases", files=files)


@pytest.fixture(scope="module")
def pdf(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("elsewhere") / "deep" / "deeper"
    out.mkdir(parents=True)
    return write_summary(read_case(made), made, out / "summary.pdf")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "cases" / made.name))


def text_of(pdf: Path) -> str:
    return " ".join(page.extract_text() for page in PdfReader(pdf).pages)


# --- signing -----------------------------------------------------------------------------------


def test_that_a_later_version_supersedes_and_both_stay(folder: Path, home: Path) -> None:
    first = sign_report(folder, NOTE, Layout())
    bytes_then = first.pdf.read_bytes()
    second = sign_report(folder, replace(NOTE, comment="Looked again."), Layout(paper="Letter"))
    assert [one.note.version for one in signed_versions(folder)] == [1, 2]
    assert second.note.supersedes == first.report_id
    assert first.pdf.read_bytes() == bytes_then
    assert damaged_files(folder) == ()
    words = text_of(second.pdf)
    assert "Looked again." in words
    assert f"supersedes report {first.report_id}" in words
    assert "not signed" not in words
    assert second.pdf.with_suffix(".html").is_file()
    record = read_report(second.pdf)
    assert record.intact
    assert record.record["reader"]["reader"] == "A. B."
    assert record.record_sha256 == second.record_sha256
    with open_index() as index:
        rows = index._connection.execute("SELECT action, object, outcome FROM audit").fetchall()
        index.verify()
    assert rows == [  # ids and codes, never words
        ("sign", stored_case().case_id, f"report:{one.report_id}") for one in (first, second)
    ]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (replace(NOTE, quality_confirmed=False), "report.quality_not_confirmed"),
        (replace(NOTE, comment="x" * (LONGEST_COMMENT + 1)), "report.too_long"),
    ],
)
def test_that_nothing_is_signed_before_the_quality_is_confirmed_or_at_any_length(
    folder: Path, note: ReaderNote, code: str
) -> None:
    with pytest.raises(AppError) as refusal:
        sign_report(folder, note, Layout())
    assert refusal.value.code == code
    assert signed_versions(folder) == ()


def test_that_a_damaged_case_is_not_signed(folder: Path) -> None:
    (folder / "case.json").write_text("{}")
    with pytest.raises(AppError):
        sign_report(folder, NOTE, Layout())
    assert not (folder / "reports").exists()


# --- many at once ------------------------------------------------------------------------------


def test_that_one_broken_case_never_stops_the_rest_and_a_second_run_writes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    hidden = replace(reportable(withheld(stored_case())), case_id="cd34" * 4)
    other = write_case(hidden, folder.parent)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    out = tmp_path / "out"
    rows = batch_reports([folder, broken, other], out, Layout(), html=True)
    assert [bool(row.trouble) for row in rows] == [False, True, False]
    assert [row.outcome for row in rows] == ["Inconclusive", "", "Withheld"]
    assert len(list(out.glob("*.pdf"))) == len(list(out.glob("*.html"))) == 2
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*.pdf")}
    assert not any(row.stood for row in rows)
    again = batch_reports([folder, other], out, Layout())
    assert [row.stood for row in again] == [True, True]
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.pdf")} == stamps


def test_that_an_unsigned_summary_is_made_anew_where_anything_about_it_differs(
    folder: Path, tmp_path: Path
) -> None:
    (first,) = batch_reports([folder], tmp_path / "out", Layout())
    assert first.pdf is not None
    (wide,) = batch_reports([folder], tmp_path / "out", Layout(paper="Letter"))
    assert (wide.stood, wide.trouble, wide.pdf) == (False, "", first.pdf)
    assert tuple(PdfReader(first.pdf).pages[0].mediabox[2:]) == (612, 792)
    whole = first.pdf.read_bytes()
    first.pdf.write_bytes(whole[: len(whole) // 2])  # a copy that broke off
    (mended,) = batch_reports([folder], tmp_path / "out", Layout(paper="Letter"))
    assert not mended.stood
    assert first.pdf.read_bytes() == whole


@pytest.mark.parametrize(
    "note",
    [replace(NOTE, signed_utc="2026-01-02 03:04:05 UTC", version=1), ReaderNote("Draft.")],
)
def test_that_a_signed_or_commented_summary_of_that_name_is_left_and_told(
    note: ReaderNote, folder: Path, tmp_path: Path
) -> None:
    case = read_case(folder)
    there = tmp_path / f"{case.stem()}_{case.case_id[:8]}_desc-summary.pdf"
    write_summary(case, folder, there, note=note)
    before = there.read_bytes()
    (row,) = batch_reports([folder], tmp_path, Layout(), html=True)
    assert "left as it is" in row.trouble
    assert row.pdf is None
    assert there.read_bytes() == before
    assert not list(tmp_path.glob("*.html"))


# --- pages -------------------------------------------------------------------------------------


def test_that_the_preview_is_the_file_page_by_page(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    from matplotlib.image import imread

    pdf, pages = preview_pages(
        folder, tmp_path, replace(UNSIGNED, comment="Draft."), Layout(), dots_per_inch=40.0
    )
    assert len(pages) == len(PdfReader(pdf).pages)
    assert "Draft." in text_of(pdf)
    picture = imread(pages[0])
    assert picture.shape[:2] == (round(842 * 40 / 72), round(595 * 40 / 72))
    assert picture[..., :3].min() < 0.3  # something is drawn
    stamp = picture[..., 0] - picture[..., 1]
    assert stamp.max() > 0.2  # colours are red, green, blue and not the other way


# --- back from a summary -----------------------------------------------------------------------


def test_that_a_summary_leads_to_its_case_and_nothing_differs(folder: Path, pdf: Path) -> None:
    found = reopen(pdf, [folder.parent])
    assert found.folder == folder
    assert found.altered == ()
    assert found.report.case_id == stored_case().case_id


def test_that_a_case_elsewhere_is_found_by_nobody(pdf: Path, home: Path) -> None:
    assert reopen(pdf).folder is None


def test_that_a_changed_file_of_the_case_is_named(folder: Path, pdf: Path) -> None:
    (folder / "arrays.npz").write_bytes(b"other")
    (sentence,) = reopen(pdf, [folder.parent]).altered
    assert "arrays.npz" in sentence


def test_that_a_number_that_is_not_the_printed_one_is_told(
    folder: Path, pdf: Path, tmp_path: Path
) -> None:
    case = stored_case()
    assert case.prediction is not None
    assert case.prediction.probability is not None
    other = replace(case.prediction, probability=case.prediction.probability + 1e-4)
    place = write_case(replace(case, prediction=other), tmp_path / "other")
    altered = reopen(pdf, [place.parent]).altered
    assert any("probability is not the one that was printed" in text for text in altered)
    nearly = replace(case.prediction, probability=case.prediction.probability + 1e-8)
    place = write_case(replace(case, prediction=nearly), tmp_path / "nearly")
    assert reopen(pdf, [place.parent]).altered == ()


def rewritten(pdf: Path, place: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    record = json.loads(PdfReader(pdf).attachments[ATTACHMENT][0])
    change(record)
    writer = PdfWriter(clone_from=PdfReader(pdf))
    stated = str((PdfReader(pdf).metadata or {})[HASH_KEY])
    fresh = PdfWriter()
    for page in writer.pages:
        fresh.add_page(page)
    fresh.add_metadata({HASH_KEY: stated})
    fresh.add_attachment(ATTACHMENT, json.dumps(record).encode())
    out = place / "altered.pdf"
    fresh.write(out)
    return out


def test_that_an_altered_record_is_told(folder: Path, pdf: Path, tmp_path: Path) -> None:
    def lift(record: dict[str, Any]) -> None:
        record["prediction"]["probability"] = 0.99

    found = reopen(rewritten(pdf, tmp_path, lift), [folder.parent])
    assert any("record in the PDF was changed" in text for text in found.altered)
    assert any("probability" in text for text in found.altered)


@pytest.mark.parametrize("content", [b"", b"no pdf", b"%PDF-1.7\n%%EOF"])
def test_that_other_files_are_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(content)
    with pytest.raises(AppError) as refusal:
        read_report(path)
    assert refusal.value.code == "report.not_ours"


def test_that_a_newer_report_is_refused(pdf: Path, tmp_path: Path) -> None:
    def newer(record: dict[str, Any]) -> None:
        record["format_version"] = 99

    with pytest.raises(AppError) as refusal:
        read_report(rewritten(pdf, tmp_path, newer))
    assert refusal.value.code == "report.newer"


@pytest.fixture(scope="module")
def asked_pdf(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A summary of a case that says how it was asked for."""
    case = read_case(made)
    assert case.provenance is not None
    asked = {"model_id": "simulated-demo", "seed": 0, "cleared": (), "question": {"drug": ""}}
    parameters = {**case.provenance.parameters, "request": asked}
    told = replace(case, provenance=replace(case.provenance, parameters=parameters))
    return write_summary(told, made, tmp_path_factory.mktemp("asked") / "asked.pdf")


def test_that_a_scan_with_other_bytes_is_refused_before_anything_is_computed(
    asked_pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = tmp_path / "scan.nii"
    scan.write_bytes(b"x")
    monkeypatch.setattr("app.analysis.opening.scan_sha256", lambda _request: "0" * 64)
    with pytest.raises(AppError) as refusal:
        recompute(asked_pdf, scan, tmp_path / "out")
    assert refusal.value.code == "report.other_scan"
    assert not (tmp_path / "out").exists()


def test_that_the_same_scan_is_asked_the_same_and_compared(
    asked_pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = stored_case()
    asked = []

    def analysed(request: Any, _progress: Any) -> Any:
        asked.append(request)
        return case

    monkeypatch.setattr("app.analysis.opening.scan_sha256", lambda _request: case.scan.sha256)
    monkeypatch.setattr("app.analysis.recipe.analyse", analysed)
    (tmp_path / "scan.nii").write_bytes(b"x")  # no table of participants came with it
    found = recompute(asked_pdf, tmp_path / "scan.nii", tmp_path / "out")
    assert found.altered == ()
    assert found.folder == tmp_path / "out" / case.case_id
    assert asked[0].participant_uuid == case.participant.uuid
    assert asked[0].question.drug == ""
    person = case.participant
    for name in ("session", "age_years", "sex", "baseline_pain", "site"):
        assert getattr(asked[0], name) == getattr(person, name)
    assert asked[0].participant_label == person.label


@pytest.fixture(scope="module")
def t1_pdf(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A summary of a case that was analysed with the T1 image "a T1"."""
    case = read_case(made)
    assert case.provenance is not None
    asked = {"model_id": "simulated-demo", "seed": 0, "question": {}}
    sha256 = hashlib.sha256(b"a T1").hexdigest()
    parameters = {"request": asked, "preprocessing": {"t1_sha256": sha256}}
    told = replace(
        case,
        provenance=replace(
            case.provenance, parameters={**case.provenance.parameters, **parameters}
        ),
    )
    return write_summary(told, made, tmp_path_factory.mktemp("t1") / "t1.pdf")


def test_that_a_case_with_a_t1_image_is_never_computed_again_without_it(
    t1_pdf: Path, asked_pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, asked = stored_case(), []

    def analysed(request: Any, _progress: Any) -> Any:
        asked.append(request)
        return case

    monkeypatch.setattr("app.analysis.opening.scan_sha256", lambda _request: case.scan.sha256)
    monkeypatch.setattr("app.analysis.recipe.analyse", analysed)
    scan, own, other = (tmp_path / name for name in ("scan.nii", "t1.nii", "other.nii"))
    for path, content in ((scan, b"x"), (own, b"a T1"), (other, b"another T1")):
        path.write_bytes(content)
    refused = ((t1_pdf, None, "needed"), (t1_pdf, other, "other"), (asked_pdf, own, "none"))
    for pdf, t1, code in refused:
        codes = {"needed": "report.t1_needed", "other": "report.other_t1", "none": "report.no_t1"}
        with pytest.raises(AppError) as refusal:
            recompute(pdf, scan, tmp_path / "out", t1=t1)
        assert refusal.value.code == codes[code]
    assert asked == []
    assert reopen(t1_pdf).needs_t1
    assert not reopen(asked_pdf).needs_t1
    recompute(t1_pdf, scan, tmp_path / "out", t1=own)
    assert [request.t1_path for request in asked] == [own]
    recompute(asked_pdf, scan, tmp_path / "out")
    assert asked[-1].t1_path is None


def test_that_a_summary_of_an_earlier_version_says_what_to_do(pdf: Path, tmp_path: Path) -> None:
    with pytest.raises(AppError) as refusal:
        recompute(pdf, tmp_path / "scan.nii", tmp_path)
    assert refusal.value.code == "report.no_request"


def test_that_rounding_alone_is_no_alteration() -> None:
    values = np.linspace(0, 1, 7).tolist()
    near = [value + 1e-9 for value in values]
    assert reopening._close({"a": values}, {"a": near})
    assert not reopening._close({"a": values}, {"a": [*near[:-1], 1.01]})
    assert not reopening._close({"a": values}, {"b": values})
