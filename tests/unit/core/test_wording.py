"""Words for numbers: what they say, and what they must never say."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from app.core import colours, wording
from app.core.results import (
    ModelSummary,
    Novelty,
    Outcome,
    Prediction,
    QualityMetric,
    QualityReport,
    Verdict,
)

MODEL = ModelSummary(
    model_id="simulated-demo",
    weights_sha256="ab" * 32,
    drug="Simulated treatment X",
    responder_definition="pain falls by 30 % or more.",
    population="simulated people",
    training_count=160,
    base_rate=0.42,
    cutoff=0.5,
    cutoff_source="chosen on data",
    auroc=0.741,
    auroc_interval=(0.632, 0.839),
    covariate_auroc=0.523,
    simulated=True,
    limits=(),
    score_edges=np.linspace(0, 1, 6),
    score_counts_responder=np.array([1, 2, 3, 4, 5]),
    score_counts_non_responder=np.array([5, 4, 3, 2, 1]),
)
RESULT = Prediction(
    outcome=Outcome.INCONCLUSIVE,
    reasons=("The 95 % interval 31 to 62 % spans the cut-off of 50 %.",),
    model=MODEL,
    probability=0.4567,
    interval=(0.3111, 0.6222),
    log_odds=-0.21,
    log_odds_windows=None,
    covariate_probability=0.38,
    contributions=None,
    novelty=Novelty(37.0, 95.0, "site-2", Verdict.PASS),
)
FORBIDDEN = re.compile(
    r"\b(patient|will respond|recommend|suitable|should receive|drives|responsible|pain cent|"
    r"significant|high|low|excellent|good|poor|anonym)",
    re.IGNORECASE,
)


def everything_said(prediction: Prediction) -> str:
    return " ".join(
        [
            wording.outcome_sentence(prediction),
            wording.cutoff_sentence(prediction),
            wording.covariate_text(prediction),
            wording.plain_paragraph(prediction),
            wording.likeness_text(prediction.novelty),
            wording.NON_CAUSAL_CAPTION,
            wording.NO_CONTROL_SENTENCE,
            wording.ATTRIBUTION_WARNING,
            wording.RUO_LINE,
        ]
    )


def test_that_a_probability_is_whole_percent_with_its_interval() -> None:
    assert wording.probability_text(0.4567, (0.3111, 0.6222)) == "46 % (95 % interval 31 to 62 %)"


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "0 %"),
        (0.004, "under 1 %"),
        (0.005, "1 %"),
        (0.125, "13 %"),
        (0.994, "99 %"),
        (0.996, "over 99 %"),
        (1.0, "100 %"),
    ],
)
def test_that_percent_rounds_half_up_and_never_rounds_to_certainty(
    share: float, expected: str
) -> None:
    assert wording.percent(share) == expected


def test_that_natural_frequencies_name_similar_scores_and_the_base_rate() -> None:
    text = wording.natural_frequency_text(0.4567, MODEL)
    assert text == (
        "Of 100 simulated participants with similar scores, about 46 meet the responder "
        "definition; base rate 42 of 100."
    )


def test_that_the_covariate_difference_is_in_percentage_points() -> None:
    assert (
        "38 % (its interval is not estimated); difference +8 percentage points"
        in wording.covariate_text(RESULT)
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, "1234"),
        (-0.5, "−0.500"),
        (None, "not known"),
        (float("nan"), "not available"),
        (3.2e-9, "3.20e−9"),
    ],
)
def test_that_numbers_have_three_digits_and_a_true_minus(
    value: float | None, expected: str
) -> None:
    assert wording.number(value).replace("e−09", "e−9") == expected


def test_that_signed_numbers_carry_their_sign_and_zero_has_none() -> None:
    assert [wording.signed(v) for v in (0.418, -0.084, -0.0001)] == ["+0.42", "−0.08", "0.00"]


def test_that_where_the_interval_lies_is_told_without_naming_a_class() -> None:
    above = dataclasses.replace(RESULT, outcome=Outcome.RESULT, interval=(0.55, 0.8))
    below = dataclasses.replace(RESULT, outcome=Outcome.RESULT, interval=(0.1, 0.3))
    assert "spans the cut-off of 50 % (chosen on data)" in wording.cutoff_sentence(RESULT)
    assert "lies above" in wording.cutoff_sentence(above)
    assert "lies below" in wording.cutoff_sentence(below)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_that_no_sentence_uses_a_forbidden_word(outcome: Outcome) -> None:
    text = everything_said(dataclasses.replace(RESULT, outcome=outcome))
    assert FORBIDDEN.search(text.replace(wording.RUO_LINE, "")) is None


def test_that_a_withheld_prediction_speaks_no_number_even_if_one_was_left_inside() -> None:
    withheld = dataclasses.replace(
        RESULT, outcome=Outcome.WITHHELD, reasons=("Too few usable volumes.",)
    )
    for text in (
        wording.outcome_sentence(withheld),
        wording.cutoff_sentence(withheld),
        wording.covariate_text(withheld),
        wording.plain_paragraph(withheld),
    ):
        assert re.search(r"\d", text) is None
    assert "Too few usable volumes." in wording.plain_paragraph(withheld)


def test_that_a_failed_gate_tells_value_and_limit() -> None:
    metric = QualityMetric(
        "mean_fd", "Mean FD", 0.61, "mm", "withheld > 0.5", "model card", Verdict.WITHHELD
    )
    other = dataclasses.replace(metric, name="x", verdict=Verdict.PASS)
    report = QualityReport((other, metric), Verdict.WITHHELD, "1")
    assert wording.failed_gates(report) == (metric,)
    assert wording.gate_reason(metric) == "Mean FD: 0.610 mm (limit: withheld > 0.5)."


def test_that_stamps_follow_the_case() -> None:
    assert wording.stamps(simulated=False, research_only=False) == ()
    assert wording.stamps(simulated=True, research_only=True) == (
        wording.SIMULATED_STAMP,
        wording.RESEARCH_STAMP,
    )
    assert wording.SIMULATED_STAMP == "SIMULATED PERSON, SIMULATED TREATMENT"
    assert wording.RUO_LINE == "Research use only - not for treatment decisions"


# --- colours -----------------------------------------------------------------------------------


def test_that_the_signed_scale_is_symmetric_about_zero() -> None:
    scale = colours.signed_scale(np.array([-3.0, 1.0, 0.2, np.nan, 2.0]), top_share=0.5)
    index = scale.index(np.array([-scale.limit, 0.0, scale.limit]))
    assert index.tolist() in ([0, 128, 255], [0, 127, 255])
    left, right = scale.index(np.array([-0.7, 0.7]))
    assert abs((255 - int(left)) - int(right)) <= 1
    assert scale.shown(np.array([-3.0, 1.0, 0.2, np.nan, 2.0])).tolist() == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_that_a_map_of_zeros_shows_nothing() -> None:
    scale = colours.signed_scale(np.zeros(7))
    assert scale.limit > 0
    assert not scale.shown(np.zeros(7)).any()


def test_that_colour_tables_agree_with_matplotlib() -> None:
    cm = pytest.importorskip("matplotlib")
    wanted = cm.colormaps["RdBu_r"](np.linspace(0, 1, 256))[:, :3] * 255
    assert np.abs(colours.diverging_table() - wanted).max() <= 2
    cividis = cm.colormaps["cividis"](np.linspace(0, 1, 256))[:, :3] * 255
    assert np.abs(colours.sequential_table() - cividis).max() <= 6


def test_that_display_order_is_by_network_then_left_before_right_and_round_trips() -> None:
    networks = ("Default", "Visual", "Visual", "Default", "Visual")
    order = colours.display_order(networks, ("L", "R", "L", "R", "L"))
    assert order.tolist() == [2, 4, 1, 0, 3]
    values = np.arange(5)
    back = np.empty(5, dtype=int)
    back[order] = values[order]
    assert back.tolist() == values.tolist()


@pytest.mark.parametrize("name", colours.NETWORK_ORDER)
def test_that_network_colours_reach_three_to_one_on_white(name: str) -> None:
    channels = np.array(colours.NETWORK_COLOURS[name]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    assert 1.05 / (luminance + 0.05) >= 3.0


def test_that_control_arm_gain_and_treatment_are_said_as_the_card_states_them() -> None:
    assert wording.control_arm_sentence(MODEL) == wording.NO_CONTROL_SENTENCE
    assert "not measured" in wording.gain_text(MODEL)
    assert wording.treatment_text(MODEL) == MODEL.drug
    stated = dataclasses.replace(
        MODEL,
        control_arm_modelled=True,
        comparator="placebo",
        gain_interval=(-0.02, 0.3),
        dose_and_route="60 mg, by mouth",
        arm="active arm",
    )
    assert "comparator: placebo" in wording.control_arm_sentence(stated)
    assert wording.gain_text(stated).endswith("95 % interval \N{MINUS SIGN}0.02 to +0.30")
    assert wording.treatment_text(stated) == f"{MODEL.drug}, 60 mg, by mouth, active arm"
    assert ".. " not in wording.question_text(stated)
