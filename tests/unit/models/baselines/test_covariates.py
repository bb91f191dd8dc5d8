"""Columns by name, and the image-free figures of a public table of participants."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from app.cohort.metrics import auroc
from app.core.errors import ModelError
from app.models.baselines.covariates import PRE_TREATMENT, CovariateLogistic, refuse_covariates

TABLE = Path(__file__).parents[5] / "shared" / "data" / "ds000208" / "participants.tsv"


@pytest.mark.parametrize("name", PRE_TREATMENT)
def test_that_every_column_on_the_list_passes(name):
    refuse_covariates([name])


@pytest.mark.parametrize(
    "name",
    [
        "Response", "responder", "% Analsesia VAS", "% Analgesia WOMAC", "Drug", "treatment_arm",
        "post_pain", "pain_week12", "painAfter", "PainPost", "vas_change", "pain_delta", "followup",
        "follow_up_pain", "relief", "outcome", "label", "rescue_medication", "dropout", "PGIC",
        "nrs_visit2", "final_pain", "group", "dose_mg", "adverse_events", "days_to_withdrawal",
        "improvement", "baseline_to_end_difference", "VAS", "pain reduction",
        "pain_week_4", "pain_month_3", "pain_12wk", "pain_3_months", "pain12weeks", "painWeek4",
        "visit_2_pain", "pain_4w", "baseline_to_week_4", "pain_1_year",
    ],
)  # fmt: skip
def test_that_outcomes_later_visits_and_the_treatment_are_refused_even_when_declared(name):
    with pytest.raises(ModelError, match="names an outcome, a later visit or the treatment"):
        refuse_covariates([name], declared=[name])


@pytest.mark.parametrize(
    "name",
    [
        "baseline_vas",
        "pre_womac",
        "thalamus_volume",
        "site_2_scanner",
        "illness_duration_years",
        "pain_duration_months",
        "days_in_pain",
        "pain_week_4_before",
        "screening_visit_1_pain",
        "vitamin_b12",
        "duloxetine_mg",
    ],
)
def test_that_other_columns_need_a_declaration(name):
    with pytest.raises(ModelError, match="not on the list"):
        refuse_covariates([name])
    refuse_covariates([name], declared=[name])


@pytest.mark.parametrize(
    ("used", "message"),
    [((), "No covariate"), (("age_years", "age_years"), "twice"), (("mean_fd_mm",), "no column")],
)
def test_that_a_choice_of_columns_must_make_sense(used, message):
    with pytest.raises(ModelError, match=message):
        CovariateLogistic(("age_years", "sex_female"), used)


def _fit(columns, used, table, labels):
    count = len(labels)
    model = CovariateLogistic(columns, used)
    return model.fit([np.empty((0, 0))] * count, np.empty((count, 0, 0)), table, labels)


def _asked(model, table):
    count = len(table)
    return model.predict_log_odds([np.empty((0, 0))] * count, np.empty((count, 0, 0)), table)


def test_that_columns_are_found_by_name_and_an_unknown_value_counts_as_the_mean():
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2 == 0
    table = rng.standard_normal((20, 2))
    table[:, 1] += 3.0 * labels
    model = _fit(("sex_female", "age_years"), ("age_years",), table, labels)
    mean = table[:, 1].mean()
    asked = np.array([[99.0, np.nan], [-5.0, mean], [np.nan, mean + 1.0]])
    found = _asked(model, asked)
    assert found[0] == pytest.approx(found[1])
    assert found[2] > found[1]
    with pytest.raises(ModelError, match="3 covariates; the model expects 2"):
        _asked(model, np.zeros((2, 3)))


def test_that_a_column_known_of_nobody_is_refused():
    table = np.column_stack([np.full(12, np.nan), np.arange(12.0)])
    columns = ("baseline_pain", "age_years")
    with pytest.raises(ModelError, match="'baseline_pain' is unknown in all"):
        _fit(columns, columns, table, np.arange(12) % 2 == 0)


# ---------------------------------------------------------------------------- public participants

# AUROC of age alone: 5 folds, pooled, mean over reshuffles of the folds.
EXPECTED = {"all": (56, 26, 0.66), "placebo": (37, 18, 0.66), "duloxetine": (19, 8, 0.63)}


@pytest.fixture(scope="module")
def patients():
    if not TABLE.is_file():
        pytest.skip("the table of participants is not here")
    with TABLE.open(encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle, delimiter="\t") if row["type"] == "patient"]


@pytest.mark.parametrize("arm", EXPECTED)
def test_that_age_alone_reaches_the_known_figures(patients, arm):
    rows = [row for row in patients if arm in ("all", row["Drug"])]
    age = np.array([[float(row["Age"])] for row in rows])
    labels = np.array([row["Response"] == "1" for row in rows])
    count, responders, expected = EXPECTED[arm]
    assert (len(rows), int(labels.sum())) == (count, responders)
    found = []
    for seed in range(25):
        scores = np.empty(count)
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for inside, outside in folds.split(age, labels):
            model = _fit(("age_years",), ("age_years",), age[inside], labels[inside])
            scores[outside] = _asked(model, age[outside])
        found.append(auroc(scores, labels))
    # 25 of the 100 reshuffles
    error = np.std(found) / np.sqrt(len(found))
    assert error < 0.02
    assert np.mean(found) == pytest.approx(expected, abs=0.005 + 2.5 * error)


def test_that_the_apparent_figures_and_the_majority_are_the_known_ones(patients):
    age = np.array([float(row["Age"]) for row in patients])
    labels = np.array([row["Response"] == "1" for row in patients])
    second = np.array([row["study"] == "2" for row in patients])
    assert auroc(-age, labels) == pytest.approx(0.68, abs=0.005)
    assert auroc(-age[second], labels[second]) == pytest.approx(0.72, abs=0.005)
    assert 1 - labels.mean() == pytest.approx(0.536, abs=5e-4)
    with pytest.raises(ModelError, match="'analsesia' names an outcome"):
        refuse_covariates(["% Analsesia VAS"], declared=list(patients[0]))
