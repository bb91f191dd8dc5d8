"""The report of an evaluation: everything on its pages, nothing that it should not say."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from app.core.errors import CancelledError
from app.core.wording import RUO_LINE
from app.reporting.evaluation.checklist import ITEMS, answered
from app.reporting.evaluation.facts import (
    BASELINE,
    MODEL,
    Competitor,
    Estimate,
    EvaluationFacts,
    Group,
    record_of,
)
from app.reporting.evaluation.sections import verdict_sentence
from app.reporting.evaluation.words import sections_text
from app.reporting.evaluation.write import metrics_tsv, sections_of_evaluation, write_evaluation
from app.reporting.figures.evaluation import comparison_figure, groups_figure
from app.reporting.record import record_bytes
from app.reporting.theme import drawing_style
from tests.unit.reporting.small_evaluation import small_evaluation

CONDITION = "Knee osteoarthritis, not neuropathic pain"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report")
    write_evaluation(small_evaluation(condition=CONDITION), place)
    return place


@pytest.fixture(scope="module")
def pdf(folder: Path) -> PdfReader:
    return PdfReader(folder / "report.pdf")


def test_that_each_page_says_simulated_condition_and_research_use_only(pdf: PdfReader) -> None:
    for page in pdf.pages:
        text = page.extract_text()
        assert "SIMULATED PEOPLE, SIMULATED TREATMENT" in text
        assert CONDITION.upper() in text
        assert RUO_LINE in text


def test_that_each_section_has_a_bookmark_on_its_page(pdf: PdfReader) -> None:
    titles = [str(entry.title) for entry in pdf.outline]  # type: ignore[union-attr]
    assert titles[0] == "Result" and titles[-1] == "TRIPOD+AI checklist" and len(titles) == 7
    for entry in pdf.outline:
        number = pdf.get_destination_page_number(entry)  # type: ignore[arg-type]
        assert str(entry.title) in pdf.pages[number].extract_text()  # type: ignore[union-attr]


def test_that_every_typeface_is_embedded(folder: Path) -> None:
    listed = subprocess.run(
        ["pdffonts", str(folder / "report.pdf")], capture_output=True, text=True, check=True
    ).stdout.splitlines()[2:]
    assert listed
    for line in listed:
        assert re.search(r"\s(yes|no)\s+(yes|no)\s+(yes|no)\s+\d", line)[1] == "yes", line  # type: ignore[index]


def test_that_headline_question_and_base_rate_stand_on_the_first_page(pdf: PdfReader) -> None:
    text = " ".join(pdf.pages[0].extract_text().split())
    assert "+0.02 (−0.10 to +0.13)" in text
    assert "The interval includes 0" in text
    assert "26 of 56 (46 %)" in text
    assert "VAS fall ≥ 30 %" in text
    assert "No volumes were given." in text


def test_that_pdf_and_html_say_the_same_words(folder: Path) -> None:
    words = sections_text(sections_of_evaluation(small_evaluation(condition=CONDITION)))
    page = unescape(re.sub(r"<[^>]+>", "\n", (folder / "report.html").read_text("utf-8")))
    flat = " ".join(page.split())
    assert len(words) > 80
    for text in words:
        assert " ".join(text.split()) in flat, text


def test_that_command_is_shown_without_the_machines_paths(folder: Path, pdf: PdfReader) -> None:
    shown = " ".join(" ".join(page.extract_text().split()) for page in pdf.pages)
    for text in (shown, (folder / "report.html").read_text("utf-8")):
        assert "main.py evaluate cohort --label response" in text
        assert "/home/someone" not in text
    assert "/home/someone/cohort" in (folder / "command.txt").read_text("utf-8")
    assert "/home/someone" not in (folder / "report.json").read_text("utf-8")


def test_that_tables_hold_value_and_interval_of_everybody(folder: Path) -> None:
    rows = [line.split("\t") for line in (folder / "metrics.tsv").read_text("utf-8").splitlines()]
    assert rows[0] == ["id", "label", "role", "metric", "value", "low", "high", "failed"]
    found = {(row[1], row[3]): row[4:7] for row in rows[1:]}
    assert found["Age", "auroc"] == ["0.66", "0.55", "0.76"]
    assert found["Age", "main_minus_this_auroc"] == ["0.02", "-0.1", "0.13"]
    assert rows[-1][-1] == "No volumes were given."
    assert (folder / "calibration.tsv").read_text("utf-8").splitlines()[1].startswith("0.22\t0.29")
    assert len(list((folder / "figures").glob("*.png"))) == 7


def test_that_record_holds_no_score_of_a_person(folder: Path) -> None:
    record = json.loads((folder / "report.json").read_text("utf-8"))
    assert record["headline"]["difference"] == [0.02, -0.1, 0.13]
    assert "probabilities" not in json.dumps(record)
    assert record["intended_use"] == RUO_LINE


def test_that_what_was_not_computed_is_named_with_its_reason() -> None:
    bare = small_evaluation(
        calibration=None, confusion=None, decision=None, learning=(), groups=(), confounds=(),
        permutation=None, screening=None, conformal=None, plan=None, headline=None,
        missing={"permutation": "Switched off by the plan."},
    )  # fmt: skip
    text = "\n".join(sections_text(sections_of_evaluation(bare)))
    for part in ("Learning curve", "Figures by site and sex", "Confound checks",
                 "Difference to the best baseline"):  # fmt: skip
        assert f"{part}: not shown. This evaluation did not compute it." in text
    said = "This evaluation did not compute it."
    assert f"Not shown: calibration plot, confusion matrix, decision curve. {said}" in text
    assert f"Not shown: screening figures, conformal sets. {said}" in text
    assert "Permutation test: not shown. Switched off by the plan." in text
    assert "No plan was locked before the labels were read" in text


@pytest.mark.parametrize("gone", ["Responder definition", "Treatment", "Estimand"])
def test_that_a_question_with_a_gap_gets_no_report(gone: str) -> None:
    facts = small_evaluation()
    left = tuple(row for row in facts.question if row[0] != gone)
    with pytest.raises(ValueError, match=gone):
        sections_of_evaluation(replace(facts, question=left))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.2, "did better"), (-0.3, -0.01, "did worse"), (-0.1, 0.1, "is not shown"),
     (0.0, 0.2, "is not shown"), (None, None, "nothing follows")],
)  # fmt: skip
def test_that_the_verdict_says_only_what_its_interval_allows(
    low: float | None, high: float | None, words: str
) -> None:
    assert words in verdict_sentence(Estimate(0.05, low, high), "the model", "Age")


def test_that_all_27_items_stand_there_answered_or_not() -> None:
    assert [item.number for item in ITEMS] == [str(n) for n in range(1, 28)]
    found = answered({"10": "Said.", "24": "Not applicable: nothing was updated."})
    statuses = {one.item.number: one.status for one in found}
    assert statuses["10"] == "answered" and statuses["24"] == "not applicable"
    assert list(statuses.values()).count("unanswered") == 25
    partly = answered({"5": "Sites: a. Dates: for the authors."})
    assert {one.item.number: one.status for one in partly}["5"] == "partly answered"
    with pytest.raises(ValueError, match="28"):
        answered({"28": "There is none."})


def test_that_a_figure_that_could_not_be_computed_is_a_dash_and_null() -> None:
    facts: EvaluationFacts = small_evaluation()
    first = facts.competitors[0]
    gone = replace(first, estimates=dict(first.estimates) | {"mcc": Estimate(float("nan"))})
    changed = replace(facts, competitors=(gone, *facts.competitors[1:]))
    text = record_bytes(record_of(changed)).decode()
    record = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert record["competitors"][0]["estimates"]["mcc"] == [None, None, None]
    assert "mcc\tn/a\tn/a\tn/a" in metrics_tsv(changed)


def test_that_cancelling_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: float) -> None:
        if done > 0.3:
            raise CancelledError

    with pytest.raises(CancelledError):
        write_evaluation(small_evaluation(), tmp_path / "out", told=stop)
    assert not (tmp_path / "out").exists()


def test_that_no_group_is_drawn_without_an_estimate() -> None:
    facts = small_evaluation()
    text = "\n".join(sections_text(sections_of_evaluation(facts)))
    assert "Sex male (n = 3): one class only" in text
    assert np.isclose(facts.base_rate, 26 / 56)


LONG = "FMM_TC, encoder trained from scratch, time series only (for the gate, not in the plan)"


def test_that_no_label_title_or_caption_of_a_comparison_is_cut() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = (LONG, f"{LONG}, Sheffield lidocaine \u2192 ds000208 duloxetine", "Age")
    shown = [
        Competitor(name, name, role, {"r2": Estimate(0.1, -0.2, 0.3)}, Estimate(0.0, -0.1, 0.1))
        for name, role in zip(names, (MODEL, BASELINE, BASELINE), strict=True)
    ]
    groups = [Group("Site", LONG, 12, 0, Estimate(0.1, 0.0, 0.2))]
    with drawing_style():
        for figure in (
            comparison_figure(shown, "r2", 180.0), groups_figure(groups, None, "r2", 180.0),
        ):  # fmt: skip
            figure.set_dpi(110)  # coarser than any picture of a report
            wide, tall = figure.bbox.width, figure.bbox.height
            renderer = FigureCanvasAgg(figure).get_renderer()
            figure.draw(renderer)
            for axes in figure.axes:
                texts = [axes.title, axes._left_title, axes.xaxis.label, *axes.get_yticklabels()]
                for text in texts:
                    box = text.get_window_extent(renderer)
                    assert box.x0 >= -1 and box.x1 <= wide + 1, text.get_text()
                    assert box.y0 >= -1 and box.y1 <= tall + 1, text.get_text()
                labels = [one.get_window_extent(renderer) for one in axes.get_yticklabels()]
                ordered = sorted(labels, key=lambda box: box.y0)
                for below, above in itertools.pairwise(ordered):
                    assert below.y1 <= above.y0 + 1  # no label lies on its neighbour
