"""The leak experiment's facts for the report."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from app.cohort.experiments.leak import ARMS, OURS, RELEASED, SLIPPED, LeakResult
from app.core.arrays import Floats
from app.core.wording import counted
from app.reporting.evaluation.facts import (
    BASELINE,
    MODEL,
    Competitor,
    Estimate,
    EvaluationFacts,
    Headline,
    PlainTable,
)

WHY = {
    RELEASED: "The fold that is reported chose the epoch: of 100 looks the luckiest is kept.",
    SLIPPED: "Most people of the test fold had trained the model.",
    "last-epoch": "Nothing is chosen, so nothing flatters.",
    OURS: "The epoch is chosen on people who are not reported.",
}
NOT_SHOWN = (
    "calibration", "confusion", "decision", "learning", "groups", "confounds", "permutation",
    "screening", "conformal",
)  # fmt: skip
NO_LABELS = "labels drawn at random in every repeat: there is nothing to predict"


def leak_facts(
    result: LeakResult, *, command: str, simulated: bool, data: str, finished_utc: str
) -> EvaluationFacts:
    """Everything that the report says; `data` names whose features they were."""
    count = result.people
    settings = result.settings
    rows = []
    competitors = []
    for name, label in ARMS:
        mcc, auroc = result.mcc[name], result.auroc[name]
        competitors.append(
            Competitor(
                name,
                label,
                MODEL if name == RELEASED else BASELINE,
                {"mcc": _mean(mcc), "auroc": _mean(auroc)},
                None if name == RELEASED else _mean(result.mcc[RELEASED] - mcc),
            )
        )
        low, high = np.percentile(mcc, [2.5, 97.5])
        rows.append(
            (
                label, f"{mcc.mean():.2f}", f"{low:.2f} to {high:.2f}",
                f"{100 * np.mean(mcc > 0.3):.0f} %", f"{auroc.mean():.2f}", WHY[name],
            )
        )  # fmt: skip
    difference = _mean(result.mcc[RELEASED] - result.mcc[OURS])
    return EvaluationFacts(
        title="experiment: leak",
        subject=f"{count} participants with random labels",
        simulated=simulated,
        question=(
            ("Treatment", "none"),
            ("Responder definition", NO_LABELS),
            ("Time point", "none"),
            ("Population", data),
            ("Estimand", "what a protocol reports where every honest figure is chance"),
        ),
        people=count,
        responders=round(settings.responder_share * count),
        competitors=tuple(competitors),
        headline=Headline(
            "mcc",
            ARMS[0][1],
            ARMS[3][1],
            difference,
            f"mean over {settings.repeats} repeats of random labels, ± 1.96 standard errors",
            _sentence(difference, settings.repeats),
            "released minus this program, 95 % interval",
        ),
        primary_lines=tuple(
            f"{label}: mean MCC {_signed(float(result.mcc[name].mean()))}, above 0.3 in "
            f"{100 * np.mean(result.mcc[name] > 0.3):.0f} % of repeats; mean AUROC "
            f"{result.auroc[name].mean():.2f}."
            for name, label in ARMS
        ),
        summary=(
            "Every arm trains the same small network; MCC and AUROC are means over the reported "
            "folds, as released code reports them. Nothing can be learnt, so an honest figure is "
            "0 (MCC) and 0.5 (AUROC), or a little below in small balanced samples; whatever stands "
            "above is made by the protocol.",
            f"With the successor's slip {100 * result.test_in_training:.0f} % of the people of a "
            "test fold had been among the training people of the same fold.",
            "A deeper network moves more from epoch to epoch and is flattered more: these figures "
            "are a lower bound for the released one.",
        ),
        command=command,
        tables=(
            PlainTable(
                "What each protocol reports where nothing can be learnt",
                ("Protocol", "Mean MCC", "95 % of repeats", "MCC above 0.3", "Mean AUROC", "Why"),
                tuple(rows),
                align="lrrrrl",
                widths=(1.9, 0.7, 1.0, 0.9, 0.8, 2.6),
            ),
        ),
        missing=dict.fromkeys(NOT_SHOWN, "Labels are random in every repeat."),
        protocol=tuple((name.replace("_", " "), str(value)) for name, value in _said(result)),
        limitations=(
            "Biased on purpose: no figure of the released arms says anything about a treatment.",
        ),
        answers={
            "4": "To show what selection on the reported fold does where there is no signal.",
            "12": "Same network in every arm; protocols differ in who chooses the epoch.",
            "17": "Not applicable: labels are random.",
            "24": "Not applicable: no model is kept.",
        },
        no_plan="Not applicable: no outcome is read, labels are random.",
        colours="Blue: the released selection. Grey: the other protocols.",
        finished_utc=finished_utc,
    )


def _sentence(difference: Estimate, repeats: int) -> str:
    """What the interval of released minus nested allows to be said."""
    if difference.low is not None and difference.low > 0:
        return (
            "The released selection reports more than this program's protocol where nothing can be "
            "learnt: made by the protocol alone."
        )
    few = counted(repeats, "repeat")
    if difference.high is not None and difference.high < 0:
        return (
            f"With {few} of random labels the released selection reports less than this program's."
        )
    return f"With {few} of random labels the interval includes 0: no difference is shown."


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")


def _mean(values: Floats) -> Estimate:
    mean = float(values.mean())
    error = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else None
    return Estimate(mean) if error is None else Estimate(mean, mean - error, mean + error)


def _said(result: LeakResult) -> list[tuple[str, object]]:
    return [*asdict(result.settings).items(), ("features", result.features)]
