"""The PDF as a file: bookmarks, typefaces, version, and no page without content."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from pypdf import PdfReader

from app.core.results import Case
from app.core.wording import RADIOLOGICAL
from app.reporting.blocks import Gap, Picture, Section, Text
from app.reporting.footer import page_facts
from app.reporting.pdf import PAPERS, _pages
from app.reporting.report import prepare, sections_of, write_summary


@pytest.fixture(scope="module")
def letter_pdf(case: Case, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("letter") / "summary.pdf"
    return write_summary(case, folder, out, paper="Letter")


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_that_each_section_has_a_bookmark_on_its_page(
    case: Case, folder: Path, result_pdf: Path, letter_pdf: Path, paper: str
) -> None:
    pdf = PdfReader(result_pdf if paper == "A4" else letter_pdf)
    assert tuple(pdf.pages[0].mediabox[2:]) == pytest.approx(PAPERS[paper], abs=0.01)
    sections = sections_of(prepare(case, folder, convention=RADIOLOGICAL))
    entries: Any = pdf.outline
    assert [str(entry.title) for entry in entries] == [section.title for section in sections]
    for entry in entries:
        number = pdf.get_destination_page_number(entry)
        assert number is not None
        assert str(entry.title) in " ".join(pdf.pages[number].extract_text().split())


def test_that_every_typeface_is_embedded(result_pdf: Path) -> None:
    reader = PdfReader(result_pdf)
    found: dict[str, bool] = {}
    for number in range(1, int(reader.trailer["/Size"])):
        thing = reader.get_object(number)
        if not isinstance(thing, dict) or thing.get("/Type") != "/Font":
            continue
        described: Any = thing.get("/FontDescriptor")
        if described is None:  # a composite one: its descendant holds the file
            descendants: Any = thing.get("/DescendantFonts")
            assert descendants is not None, thing.get("/BaseFont")
            described = descendants.get_object()[0].get_object()["/FontDescriptor"]
        found[str(thing["/BaseFont"])] = "/FontFile2" in described.get_object()
    assert len(found) >= 4
    assert all(found.values()), found
    assert all("SourceSansPro" in name for name in found)


def test_that_the_file_names_a_version_that_knows_what_it_holds(result_pdf: Path) -> None:
    """Transparency groups came with 1.4, attachments with 1.4, their file names with 1.7."""
    assert result_pdf.read_bytes().startswith(b"%PDF-1.7\n")


def test_that_a_section_that_just_fits_is_not_followed_by_an_empty_page(
    case: Case, folder: Path
) -> None:
    facts = page_facts(prepare(case, folder, convention=RADIOLOGICAL))
    counts = set()
    for room_mm in np.arange(230.0, 250.0, 0.5):
        blocks = (Gap(float(room_mm)), Text("The last words."))
        sections = (Section("First", blocks), Section("Second", blocks))
        pages = PdfReader(io.BytesIO(_pages(facts, sections, PAPERS["A4"])[0])).pages
        texts = [page.extract_text() for page in pages]
        counts.add(len(texts))
        for text in texts:
            assert any(word in text for word in ("First", "Second", "The last words."))
    assert counts == {2, 4}  # from room for both to room for the title alone


def test_that_the_caption_of_a_picture_is_on_its_page(case: Case, folder: Path) -> None:
    facts = page_facts(prepare(case, folder, convention=RADIOLOGICAL))
    pages_seen = set()
    for height in range(150, 201, 2):
        picture = Picture(Figure(), 120.0, 60.0, "A curve", "The words below the curve.")
        section = Section("First", (Gap(height), Gap(5.0), picture), flows=True)
        data, (placed,), _ = _pages(facts, [section], PAPERS["A4"])
        texts = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
        (captioned,) = (n for n, text in enumerate(texts) if "below the curve" in text)
        assert placed.page == captioned
        pages_seen.add(captioned)
    assert pages_seen == {0, 1}
