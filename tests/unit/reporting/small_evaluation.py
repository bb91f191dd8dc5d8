"""A made-up evaluation in which every part of the report has something to show."""

from __future__ import annotations

import numpy as np

from app.reporting.evaluation.facts import (
    BASELINE,
    MODEL,
    CalibrationPlot,
    Competitor,
    ConfoundCheck,
    Confusion,
    DecisionCurve,
    Estimate,
    EvaluationFacts,
    Group,
    Headline,
    LearningCurve,
    Permutation,
    PlainTable,
    Plan,
)

COMMAND = "python3 main.py evaluate /home/someone/cohort --label response --out here"


def competitor(name: str, role: str, auroc: float, difference: float | None = None) -> Competitor:
    """Figures around one AUROC."""
    return Competitor(
        name.lower().replace(" ", "-"),
        name,
        role,
        {
            "auroc": Estimate(auroc, auroc - 0.11, auroc + 0.10),
            "balanced_accuracy": Estimate(auroc - 0.02, auroc - 0.12, auroc + 0.08),
            "mcc": Estimate(2 * auroc - 1.0, 2 * auroc - 1.2, 2 * auroc - 0.8),
            "sensitivity": Estimate(0.61, 0.41, 0.78),
            "specificity": Estimate(0.64, 0.47, 0.79),
            "brier": Estimate(0.231, 0.198, 0.266),
            "log_loss": Estimate(0.655, 0.571, 0.748),
            "calibration_slope": Estimate(0.74, -0.31, 1.92),
            "calibration_intercept": Estimate(-0.05, -0.61, 0.52),
        },
        None if difference is None else Estimate(difference, difference - 0.12, difference + 0.11),
    )


def small_evaluation(**changes: object) -> EvaluationFacts:
    """56 people, two models, four baselines."""
    rng = np.random.default_rng(3)
    thresholds = np.linspace(0.05, 0.95, 19)
    facts: dict[str, object] = {
        "title": "evaluation",
        "subject": "Cohort of 56 participants",
        "simulated": True,
        "question": (
            ("Treatment", "duloxetine, 3 months"),
            ("Arm", "duloxetine"),
            ("Responder definition", "VAS fall ≥ 30 %"),
            ("Time point", "3 months"),
            ("Population", "adults with knee osteoarthritis"),
            ("Estimand", "treatment policy; drop-outs count as non-responders"),
        ),
        "people": 56,
        "responders": 26,
        "competitors": (
            competitor("FMM_TC fused", MODEL, 0.68),
            competitor("FMM_TC series only", MODEL, 0.61, 0.07),
            competitor("Age", BASELINE, 0.66, 0.02),
            competitor("Motion", BASELINE, 0.60, 0.08),
            competitor("Pearson, logistic", BASELINE, 0.63, 0.05),
            Competitor(
                "volumes", "Volumes, logistic", BASELINE, {}, None, "No volumes were given."
            ),
        ),
        "headline": Headline(
            "auroc", "FMM_TC fused", "Age", Estimate(0.02, -0.10, 0.13), "paired bootstrap"
        ),
        "command": COMMAND,
        "answers": {
            "10": "No calculation was done; see the learning curve.",
            "24": "Not applicable: nothing was updated.",
        },
        "calibration": CalibrationPlot(
            np.array([0.22, 0.41, 0.55, 0.74]),
            np.array([0.29, 0.36, 0.57, 0.64]),
            np.array([0.08, 0.13, 0.29, 0.35]),
            np.array([0.58, 0.65, 0.82, 0.87]),
            np.array([14.0, 14.0, 14.0, 14.0]),
            np.linspace(0.0, 1.0, 11),
            np.histogram(rng.beta(4, 5, 56), np.linspace(0.0, 1.0, 11))[0].astype(float),
        ),
        "confusion": Confusion(16, 11, 10, 19, 0.5, "declared in the plan"),
        "decision": DecisionCurve(
            thresholds,
            0.46 - 0.54 * thresholds / (1 - thresholds),
            (("FMM_TC fused", 0.3 * (1 - thresholds) ** 2), ("Age", 0.25 * (1 - thresholds) ** 2)),
        ),
        "learning": (
            LearningCurve(
                "FMM_TC fused",
                np.array([15.0, 25.0, 35.0, 45.0]),
                np.array([0.55, 0.6, 0.64, 0.68]),
                np.array([0.4, 0.48, 0.53, 0.57]),
                np.array([0.7, 0.72, 0.75, 0.79]),
            ),
        ),
        "groups": (
            Group("Site", "A", 30, 14, Estimate(0.70, 0.51, 0.86)),
            Group("Site", "B", 26, 12, Estimate(0.64, 0.41, 0.84)),
            Group("Sex", "female", 40, 20, Estimate(0.69, 0.52, 0.84)),
            Group("Sex", "male", 3, 3, None, "one class only"),
        ),
        "confounds": (
            ConfoundCheck("Age with the label", "r = −0.34 (−0.55 to −0.08)", True, "Beat age."),
            ConfoundCheck("Motion with the score", "r = 0.05 (−0.22 to 0.31)", False, "None seen."),
        ),
        "permutation": Permutation(
            0.089,
            200,
            "within arm, site and fold",
            0.68,
            rng.normal(0.5, 0.09, 200),
            "AUROC",
            (0.33, 0.67),
        ),
        "screening": PlainTable(
            "Screening figures for a trial",
            ("Cut-off", "Enrolled", "Wrongly excluded", "Number needed to screen"),
            (("40 %", "61 %", "25 %", "2.9"), ("50 %", "48 %", "38 %", "3.6")),
            "Prognostic only, saving not estimable.",
        ),
        "conformal": PlainTable(
            "Conformal sets", ("Level", "{R}", "{NR}", "{both}"), (("90 %", "12", "13", "31"),)
        ),
        "plan": Plan("ab" * 32, "2026-11-01T10:00:00Z", ("Two people left out after locking.",)),
        "protocol": (("Folds", "5 outer, 4 inner, 20 repeats"), ("Seed", "7")),
        "provenance": (("Model", "simulated-demo"),),
        "limitations": ("No control arm: nothing here separates drug from placebo.",),
        "finished_utc": "2026-11-26T09:30:00Z",
    }
    return EvaluationFacts(**(facts | changes))  # type: ignore[arg-type]
