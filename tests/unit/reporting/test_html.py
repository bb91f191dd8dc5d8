"""The HTML twin: the same words, a text for every picture, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.core import wording
from app.core.results import Case
from app.reporting.html import write_html
from tests.unit.reporting.small_case import CANARIES, WITHHELD_NUMBERS, withheld


class Tags(HTMLParser):
    """Collects tags, visible text and checks that every element is closed."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "


def parsed(path: Path) -> Tags:
    tags = Tags()
    tags.feed(path.read_text(encoding="utf-8"))
    assert tags.open == []
    tags.words = re.sub(r"\s+", " ", tags.words)
    return tags


@pytest.fixture(scope="module")
def page(case: Case, folder: Path) -> Path:
    return write_html(case, folder, folder / "report.html")


def test_that_it_says_what_the_pdf_says(page: Path) -> None:
    words = parsed(page).words
    for needed in (
        wording.RUO_LINE,
        wording.SIMULATED_STAMP,
        "58 % (95 % interval 44 to 72 %)",
        wording.NO_CONTROL_SENTENCE,
        wording.NON_CAUSAL_CAPTION,
        "sub-0042 · ses-visit2",
        "pass ≤ 0.25, withheld > 0.5",
        "Largest regions",
    ):
        assert needed in words, needed


def test_that_every_picture_has_a_text_and_nothing_is_fetched(page: Path) -> None:
    tags = parsed(page)
    pictures = [attributes for tag, attributes in tags.found if tag == "img"]
    assert len(pictures) >= 8
    assert all(len(picture["alt"] or "") > 20 for picture in pictures)
    for _, attributes in tags.found:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#section-"))
    assert ("html", {"lang": "en"}) in tags.found


def test_that_a_withheld_number_and_canaries_are_nowhere(case: Case, folder: Path) -> None:
    path = write_html(withheld(case), folder, folder / "withheld.html")
    content = path.read_text(encoding="utf-8")
    words = re.sub(r"[0-9a-f]{8,}", "", parsed(path).words)
    assert "Explanation" not in words
    for number in WITHHELD_NUMBERS:
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", words) is None, number
    for canary in (*CANARIES, "/home/"):
        assert canary not in content
