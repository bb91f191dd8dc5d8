"""What the report says of the model: estimand, control arm, gain over covariates, or its lack."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from app.core import wording
from app.core.results import Case, Outcome, Prediction
from app.models.earned import unearned_reason
from app.reporting.html import write_html


def words_of(case: Case, folder: Path, target: Path, **model: object) -> str:
    assert case.prediction is not None
    assert case.prediction.model is not None
    changed = dataclasses.replace(case.prediction.model, **model)  # type: ignore[arg-type]
    prediction = dataclasses.replace(case.prediction, model=changed)
    path = write_html(dataclasses.replace(case, prediction=prediction), folder, target)
    return re.sub(r"<[^>]+>|\s+", " ", path.read_text(encoding="utf-8"))


def test_that_the_card_extract_says_what_the_label_means(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    text = words_of(
        case,
        folder,
        tmp_path / "report.html",
        mode="corrected",
        dose_and_route="60 mg, by mouth",
        arm="active arm",
        comparator="placebo",
        control_arm_modelled=True,
        estimand="response at week 12 whatever was taken besides",
        rescue_medication="paracetamol allowed, counted as taken",
        drop_out="counted as no response",
        gain_interval=(0.02, 0.11),
        card_sha256="cafe" * 16,
    )
    for expected in (
        "Simulated treatment X, 60 mg, by mouth, active arm",
        "response at week 12 whatever was taken besides",
        "paracetamol allowed, counted as taken; counted as no response",
        "95 % interval +0.02 to +0.11",
        "A control arm was modelled; comparator: placebo.",
        "card cafecafe",
        "mode corrected",
    ):
        assert expected in text
    assert wording.NO_CONTROL_SENTENCE not in text


def test_that_a_case_of_an_older_card_says_what_is_not_known(
    case: Case, folder: Path, tmp_path: Path
) -> None:
    text = words_of(case, folder, tmp_path / "report.html")
    assert "Gain over the best covariate-only rival: not measured." in text
    assert wording.NO_CONTROL_SENTENCE in text
    assert "Estimand" not in text


@pytest.mark.parametrize("gain", [None, (-0.04, 0.12)])
def test_that_an_unearned_number_is_in_no_report_and_the_reason_is(
    case: Case, folder: Path, tmp_path: Path, gain: tuple[float, float] | None
) -> None:
    assert case.prediction is not None
    reason = unearned_reason(gain)
    withheld = Prediction(
        Outcome.WITHHELD, (reason,), case.prediction.model, *(None,) * 6, novelty=None
    )
    bare = dataclasses.replace(case, prediction=withheld, attribution=None)
    text = words_of(bare, folder, tmp_path / "report.html", gain_interval=gain)
    assert "shows no individual number" in text
    assert "58 %" not in text
    if gain is not None:
        assert "\N{MINUS SIGN}0.04 to 0.12" in text
