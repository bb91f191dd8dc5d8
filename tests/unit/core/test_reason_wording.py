"""Reasons are read without the names of the fields that they come from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.reason_wording import asked_model, bare_reason
from app.core.results import Novelty, Outcome, Verdict
from app.core.wording import likeness_text, plain_paragraph
from app.models.gates import novelty_gate
from tests.sample_case import sample_case


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "Withheld: 30 usable frames; the model needs 200 (contract.minimum_frames). A longer "
            "scan would lift this",
            "30 usable frames; the model needs 200. A longer scan would lift this",
        ),
        (
            "Withheld: the repetition time is 3 s; the model was made with 2 s "
            "(contract.repetition_time_s, policy 'refuse'). Use a scan with that repetition time",
            "The repetition time is 3 s; the model was made with 2 s. Use a scan with that "
            "repetition time",
        ),
        (
            "Withheld: Usable time is 60 s (pass ≥ 300, withheld < 240)",
            "Usable time is 60 s (pass ≥ 300, withheld < 240)",
        ),
        ("no model trained on people is installed", "No model trained on people is installed"),
    ],
)
def test_that_a_reason_is_read_without_card_fields(reason: str, told: str) -> None:
    assert bare_reason(reason) == told


def test_that_the_plain_paragraph_reads_so_too() -> None:
    case = sample_case(Outcome.WITHHELD)
    assert case.prediction is not None
    reasons = ("Withheld: the age is not known; the model needs it (covariates.required). Give it",)
    told = plain_paragraph(replace(case.prediction, reasons=reasons))
    assert "The age is not known; the model needs it. Give it." in told
    assert "Withheld:" not in told


def test_that_a_model_of_simulated_people_asks_nothing_of_a_person() -> None:
    case = sample_case(Outcome.WITHHELD)
    assert case.prediction is not None
    model = case.prediction.model
    assert model is not None
    for person, made, asked in ((True, True, True), (True, False, True), (False, True, False)):
        changed = replace(case.prediction, model=replace(model, simulated=made))
        scan = replace(case.scan, simulated=person)
        found = asked_model(replace(case, prediction=changed, scan=scan))
        assert (found is not None) is asked


def test_that_a_place_beyond_everybody_is_not_told_as_a_percentile_within_the_limit() -> None:
    out = Novelty(98.75, 99.0, "site-1", Verdict.WITHHELD)
    for told in (likeness_text(out), *novelty_gate(out)):
        assert "farther out than every training participant" in told
        assert "98.8" not in told
        assert "99th" not in told
    beyond = Novelty(99.4, 99.0, "site-1", Verdict.WITHHELD)
    assert "percentile 99.4 " in likeness_text(beyond)
    assert "beyond the 99th percentile" in novelty_gate(beyond)[0]
    within = Novelty(98.75, 99.0, "site-1", Verdict.PASS)
    assert "percentile 98.8 " in likeness_text(within)
    assert novelty_gate(within) == ()
