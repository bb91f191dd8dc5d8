"""The participant summary as a reader, a monitor and a data protection officer would check it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from app.attribution.explain import METHOD_JOINT
from app.core import wording
from app.core.errors import CancelledError, StorageError
from app.core.results import Case, Outcome, Prediction
from app.reporting.html import write_html
from app.reporting.report import write_summary
from tests.unit.reporting.small_case import (
    CANARIES,
    WITHHELD_NUMBERS,
    orientation_unknown,
    withheld,
)


def page_texts(path: Path) -> list[str]:
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(path).pages]


def whole_text(path: Path) -> str:
    return " ".join(page_texts(path))


def attached(path: Path) -> bytes:
    ((name, (content,)),) = PdfReader(path).attachments.items()
    assert name == "report.json"
    return content


def every_byte(path: Path) -> bytes:
    """The file as stored and every stream in it, decompressed."""
    reader = PdfReader(path)
    pieces = [path.read_bytes()]
    for number in range(1, int(reader.trailer["/Size"])):
        found = reader.get_object(number)
        pieces.append(repr(found).encode())
        if hasattr(found, "get_data") and found.get("/Subtype") != "/Image":
            pieces.append(found.get_data())
    return b"\n".join(pieces)


# --- what stands on every page -----------------------------------------------------------------


def test_that_every_page_says_who_which_page_and_research_use_only(
    case: Case, result_pdf: Path
) -> None:
    texts = page_texts(result_pdf)
    short = hashlib.sha256(attached(result_pdf)).hexdigest()[:8]
    assert len(texts) == 4
    for number, text in enumerate(texts, start=1):
        for needed in (
            "sub-0042 · ses-visit2",
            f"Page {number} of 4",
            wording.RUO_LINE,
            wording.SIMULATED_STAMP,
            f"JSON {short}",
            "NeuroResponder 0.1.0",
            "model simulated-demo beefbeef",
            "Radiological",
            "scan d1ced1ce",
            "participant 5f0c2b1a",
        ):
            assert needed in text, (number, needed)


def test_that_a_real_scan_has_no_stamp_and_an_override_has_one(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    assert case.prediction is not None
    scan = dataclasses.replace(case.scan, simulated=False)
    real = dataclasses.replace(case, scan=scan)
    assert wording.SIMULATED_STAMP not in whole_text(
        write_summary(real, folder, tmp_path / "real.pdf")
    )
    overridden = dataclasses.replace(
        real, prediction=dataclasses.replace(case.prediction, research_only=True)
    )
    for text in page_texts(write_summary(overridden, folder, tmp_path / "override.pdf")):
        assert wording.RESEARCH_STAMP in text


# --- the sections ------------------------------------------------------------------------------


def test_that_the_summary_holds_the_fields_of_the_card_in_order(result_pdf: Path) -> None:
    text = page_texts(result_pdf)[0]
    places = [
        text.index(part)
        for part in (
            "Participant summary",
            "Volumes used",
            "Inconclusive",
            "58 % (95 % interval 44 to 72 %)",
            "Responder definition",
            "simulated pain falls by 30 % or more.",
            "Base rate 42 of 100",
            "about 58 meet the responder definition",
            wording.NO_CONTROL_SENTENCE,
            "Likeness",
            "Limits of this model",
            "Reader's comment",
            "not signed",
        )
    ]
    assert places == sorted(places)
    assert "base rate 42 %" in text
    assert "cut-off 50 %" in text
    assert "covariates only 38 %" in text
    assert wording.NON_CAUSAL_CAPTION in text


def test_that_a_number_never_stands_without_its_interval_or_base_rate(result_pdf: Path) -> None:
    for text in page_texts(result_pdf):
        if re.search(r"\b58 %", text):
            assert "58 % (95 % interval 44 to 72 %)" in text
            assert "ase rate 42" in text
    first = " ".join(page_texts(result_pdf)[0].split())
    told = (
        "conformal set, 87 % level): scores like this are compatible with a response and with none"
    )
    assert told in first
    assert "Not a verdict: the answer stays inconclusive" in first
    assert "{both}" not in first


def test_that_the_explanation_names_regions_sides_health_and_limits(result_pdf: Path) -> None:
    text = page_texts(result_pdf)[1]
    for needed in (
        wording.NON_CAUSAL_CAPTION,
        "Largest upward: Box 0, left",
        "Largest downward: Box 1, right",
        "Left, lateral",
        "Right, medial",
        "participant's left is on the right of the picture",
        "regions below threshold",
        "Spearman +0.87",
        "1 of 8 parcels disagree",
        "Held-out AUROC 0.74 (95 % interval 0.68 to 0.80)",
        "Box 0 L – Box 4 L",
    ):
        assert needed in text, needed
    table = text[text.index("Region Side Network") :]
    assert "Box 6" not in table  # the two explanations disagree there


def test_that_quality_and_provenance_pages_hold_their_tables(result_pdf: Path) -> None:
    quality, model = page_texts(result_pdf)[2:]
    for needed in ("0.118 mm", "pass ≤ 0.25, withheld > 0.5", "Verdict", "limit 0.5", "Before"):
        assert needed in quality, needed
    for needed in ("d1ce" * 16, "a1" * 32, "2026-01-02T03:04:05Z", "cpu, 2", "English"):
        assert needed in model.replace(" ", "") or needed in model, needed


def test_that_no_page_uses_a_forbidden_word(result_pdf: Path, withheld_pdf: Path) -> None:
    forbidden = re.compile(
        r"\b(patient|will respond|recommend|suitable|should receive|drives|pain cent|anonym|"
        r"significan|excellent|accurate)",
        re.IGNORECASE,
    )
    for path in (result_pdf, withheld_pdf):
        assert forbidden.search(whole_text(path)) is None


# --- withheld ----------------------------------------------------------------------------------


def test_that_a_withheld_number_is_nowhere_in_the_file(withheld_pdf: Path) -> None:
    texts = page_texts(withheld_pdf)
    assert len(texts) == 3
    assert not any("Explanation" in text for text in texts)
    assert "Withheld" in texts[0]
    assert "Too much head motion." in texts[0]
    assert "0.777 mm" in texts[0]
    streams = every_byte(withheld_pdf)
    # hashes are random digits: they are taken out before looking for short numbers
    text = re.sub(r"[0-9a-f]{8,}", "", " ".join(texts))
    record = attached(withheld_pdf)
    for number in WITHHELD_NUMBERS:
        if len(number) >= 6:
            assert number.encode() not in streams, number
            assert number.encode() not in record, number
        else:
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", text) is None, number


def test_that_the_record_of_a_withheld_case_has_null_where_a_number_would_be(
    withheld_pdf: Path,
) -> None:
    record = json.loads(attached(withheld_pdf))
    prediction = record["prediction"]
    assert prediction["outcome"] == "withheld"
    assert prediction["reasons"] == ["Too much head motion."]
    for key in ("probability", "interval", "log_odds", "covariate_probability", "contributions"):
        assert prediction[key] is None
    assert record["attribution"] is None


def test_that_a_case_without_any_model_still_has_a_report(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    nothing = Prediction(
        Outcome.WITHHELD,
        (wording.NO_MODEL_REASON,),
        *[None] * 7,
        None,  # type: ignore[arg-type]
    )
    bare = dataclasses.replace(case, prediction=nothing, attribution=None)
    text = page_texts(write_summary(bare, folder, tmp_path / "none.pdf"))[0]
    assert wording.NO_MODEL_REASON in text
    assert "No quality requirement failed" in text


def test_that_missing_stages_and_files_are_named_where_they_would_stand(
    case: Case, tmp_path: Path
) -> None:
    no_files = whole_text(write_summary(case, tmp_path, tmp_path / "a.pdf"))
    for needed in ("Slices: not shown.", "Surface: not shown.", "Registration edges: not shown."):
        assert needed in no_files
    empty = Case(case.case_id, case.participant, case.scan)
    text = whole_text(write_summary(empty, tmp_path, tmp_path / "b.pdf"))
    for needed in ("Prediction: not shown.", "Requirements: not shown.", "Provenance: not shown."):
        assert needed in text


# --- what a reader asks ---------------------------------------------------------------------------


def test_that_the_covariates_behind_the_covariates_only_figure_are_printed(
    case: Case, folder: Path, result_pdf: Path, tmp_path: Path
) -> None:
    text = page_texts(result_pdf)[0]
    for needed in ("Age 51 years", "Sex female", "Baseline pain 6 of 10"):
        assert needed in text, needed
    person = dataclasses.replace(case.participant, age_years=None, sex=None, baseline_pain=None)
    nobody = dataclasses.replace(withheld(case), participant=person)
    text = page_texts(write_summary(nobody, folder, tmp_path / "n.pdf"))[0]
    for needed in ("Age not stated", "Sex not stated", "Baseline pain not stated"):
        assert needed in text, needed


def test_that_the_limits_beside_an_explanation_end_and_say_where_the_rest_is(
    case: Case, folder: Path, result_pdf: Path, tmp_path: Path
) -> None:
    assert page_texts(result_pdf)[1].count("No external test.") == 1
    assert case.prediction is not None
    assert case.prediction.model is not None
    model = dataclasses.replace(case.prediction.model, limits=("No external test", "Few people"))
    two = dataclasses.replace(case, prediction=dataclasses.replace(case.prediction, model=model))
    text = page_texts(write_summary(two, folder, tmp_path / "two.pdf"))[1]
    assert "No external test. All limits stand under Model and provenance." in text


def test_that_times_and_stages_are_called_what_they_are(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    assert case.provenance is not None
    provenance = dataclasses.replace(
        case.provenance,
        parameters={
            **case.provenance.parameters,
            "preprocessing": {"slice_timing_reference_s": None},
        },
        stage_seconds={"brain_mask": 2.5, "slice_timing": 0.0, "motion": 1.5},
    )
    changed = dataclasses.replace(withheld(case), provenance=provenance)
    path = write_summary(changed, folder, tmp_path / "x.pdf", printed_utc="2031-05-06T07:08:09Z")
    text = whole_text(path)
    assert "Computed (UTC) 2026-01-02T03:04:05Z" in text
    assert "Written (UTC) 2031-05-06T07:08:09Z" in text
    assert "finished utc" not in text
    assert "Brain mask 2.5, Motion 1.5" in text


# --- left and right unknown ----------------------------------------------------------------------


def test_that_a_report_of_unknown_orientation_names_no_left_or_right(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    unknown = orientation_unknown(case)
    path = write_summary(unknown, folder, tmp_path / "u.pdf")
    page = write_html(unknown, folder, tmp_path / "u.html").read_text()
    texts = page_texts(path)
    for text in (*texts, re.sub(r"base64,[^\"]*", "", page)):
        assert "Orientation unknown" in text
        for forbidden in ("Radiological", "Neurological", " (left)", "RAS"):
            assert forbidden not in text, forbidden
    assert "orientation unknown: left and right cannot be told" in texts[0]
    quality = next(text for text in texts if "Registration" in text)
    assert "Orientation unknown: left and right cannot be told" in quality
    assert quality.count("?") >= 12  # four letters of each of the three planes
    record = json.loads(attached(path))
    assert record["convention"] == "Orientation unknown"
    assert record["scan"]["storage_orientation"] is None


def test_that_a_number_with_unknown_orientation_has_regions_without_sides(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    scan = dataclasses.replace(case.scan, sform_code=0, qform_code=0)
    path = write_summary(dataclasses.replace(case, scan=scan), folder, tmp_path / "u.pdf")
    text = page_texts(path)[1]
    assert "Largest upward: Box 0, side unknown" in text
    assert "One side, lateral" in text
    for forbidden in ("Left,", "Right,", ", left", ", right", " L ", "(left)", "Radiological"):
        assert forbidden not in text, forbidden
    names = json.loads(attached(path))["attribution"]["parcel_names"]
    assert names == [f"Box_{number}" for number in range(8)]


# --- privacy, record, file ---------------------------------------------------------------------


@pytest.mark.parametrize("which", ["result_pdf", "withheld_pdf"])
def test_that_no_path_or_planted_name_is_in_any_byte(
    which: str, request: pytest.FixtureRequest
) -> None:
    content = every_byte(request.getfixturevalue(which))
    for canary in (*CANARIES, "/home/", "/tmp/", "Users", "reportlab", "Matplotlib"):
        assert canary.encode() not in content, canary
        assert canary.encode("utf-16-be") not in content, canary


def test_that_the_attached_record_says_what_the_pages_say(case: Case, result_pdf: Path) -> None:
    record = json.loads(attached(result_pdf))
    assert case.prediction is not None
    assert record["prediction"]["probability"] == case.prediction.probability
    assert record["prediction"]["interval"] == list(case.prediction.interval or ())
    assert record["participant"]["label"] == "sub-0042"
    assert record["scan"]["sha256"] == case.scan.sha256
    assert record["motion"]["framewise_displacement_mm"][0] is None
    assert len(record["attribution"]["scan"]["per_parcel"]) == 8
    assert record["attribution"]["top_regions"][0]["name"] == "Box_0_L"
    assert record["provenance"]["parameters"]["input"] == "[path removed]"


def test_that_metadata_has_no_author_and_names_the_language(result_pdf: Path) -> None:
    reader = PdfReader(result_pdf)
    assert reader.metadata is not None
    assert set(reader.metadata) <= {
        "/Title", "/Subject", "/Creator", "/Producer", "/RecordSHA256",
    }  # fmt: skip
    assert "sub-" not in str(reader.metadata)
    assert reader.trailer["/Root"]["/Lang"] == "en"


def test_that_the_same_case_gives_the_same_bytes_and_leaves_nothing_beside(
    case: Case, folder: Path, tmp_path: Path, result_pdf: Path
) -> None:
    again = write_summary(case, folder, tmp_path / "again.pdf")
    assert again.read_bytes() == result_pdf.read_bytes()
    assert [p.name for p in tmp_path.glob("*.p*")] == ["again.pdf"]
    assert again.stat().st_size < 3_000_000


@pytest.mark.parametrize("write", [write_summary, write_html])
def test_that_a_cancel_takes_hold_within_the_report_and_leaves_nothing(
    write: Callable[..., Path], case: Case, folder: Path, tmp_path: Path
) -> None:
    heard: list[float] = []
    write(case, folder, tmp_path / "whole", told=heard.append)
    assert heard == sorted(heard)
    assert heard[0] < 0.1
    assert heard[-1] > 0.75
    assert len(heard) >= 7  # each section and each figure is a place to stop

    for stop in (0, len(heard) // 2, len(heard) - 1):
        left = iter(range(stop))

        def cancelled(_done: float, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise CancelledError("report")

        with pytest.raises(CancelledError):
            write(case, folder, tmp_path / "half", told=cancelled)
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_that_letter_paper_and_neurological_are_printed(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    path = write_summary(
        withheld(case), folder, tmp_path / "x.pdf", paper="Letter", convention=wording.NEUROLOGICAL
    )
    assert [round(float(side)) for side in PdfReader(path).pages[0].mediabox[2:]] == [612, 792]
    for text in page_texts(path):
        assert "Neurological" in text
        assert "Radiological" not in text


def test_that_a_printed_time_can_be_given(case: Case, folder: Path, tmp_path: Path) -> None:
    path = write_summary(
        withheld(case), folder, tmp_path / "x.pdf", printed_utc="2031-05-06T07:08:09Z"
    )
    assert "2031-05-06T07:08:09Z" in whole_text(path)


@pytest.mark.parametrize("wrong", [{"convention": "upside down"}, {"paper": "A5"}])
def test_that_unknown_settings_are_refused_with_their_value(
    wrong: dict[str, str], case: Case, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        write_summary(case, folder, tmp_path / "x.pdf", **wrong)  # type: ignore[arg-type]


def test_that_a_target_that_cannot_be_written_is_one_clear_error(
    case: Case, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="could not be written") as caught:
        write_summary(case, tmp_path, tmp_path / "absent" / "x.pdf")
    assert str(tmp_path) not in str(caught.value)


def test_that_long_parameters_and_many_findings_do_not_break_the_pages(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    assert case.provenance is not None
    provenance = dataclasses.replace(
        case.provenance,
        parameters={
            **case.provenance.parameters,
            "frames": list(range(900)),
            "nested": {f"step_{n}": {"value": n / 7} for n in range(60)},
        },
    )
    long = dataclasses.replace(withheld(case), provenance=provenance, findings=case.findings * 80)
    texts = page_texts(write_summary(long, folder, tmp_path / "long.pdf"))
    assert len(texts) > 3
    assert f"Page {len(texts)} of {len(texts)}" in texts[-1]
    assert "whole in the attached JSON" in " ".join(texts)


# --- pages that end where they should ------------------------------------------------------------


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_that_the_first_page_holds_the_summary_whole_down_to_the_signature(
    case: Case, folder: Path, tmp_path: Path, paper: str
) -> None:
    """A realistic amount of text: one more line of limits than any model so far."""
    assert case.prediction is not None
    assert case.prediction.model is not None
    limits = ("Made from few people only; says nothing about any one person of another kind",) * 4
    model = dataclasses.replace(case.prediction.model, limits=limits)
    long = dataclasses.replace(case, prediction=dataclasses.replace(case.prediction, model=model))
    texts = page_texts(write_summary(long, folder, tmp_path / "p.pdf", paper=paper))
    assert "Date and signature" in texts[0]
    assert texts[1].count("Explanation") == 1
    assert len(texts) == 4


def test_that_shares_of_inputs_that_interact_are_called_what_they_are(
    case: Case, folder: Path, result_pdf: Path, tmp_path: Path
) -> None:
    assert "Shapley" not in whole_text(result_pdf)
    assert "Method (a) branches" in whole_text(result_pdf)
    assert case.prediction is not None
    assert case.attribution is not None
    branches = dataclasses.replace(case.attribution.branches, method=METHOD_JOINT)
    joint = dataclasses.replace(
        case,
        prediction=dataclasses.replace(case.prediction, contributions_exact=False),
        attribution=dataclasses.replace(case.attribution, branches=branches),
    )
    path = tmp_path / "joint.pdf"
    write_summary(joint, folder, path)
    assert "each share is a Shapley value" in whole_text(path)
    assert "mean over both orders (Shapley)" in whole_text(path)
    assert len(page_texts(path)) == len(page_texts(result_pdf))
