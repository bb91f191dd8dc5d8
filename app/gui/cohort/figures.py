"""What an evaluation's record says, as tables and curves; plain values, nothing is drawn here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cohort.learn.primary_words import (
    BASELINE_ONLY,
    INTERVALS,
    continuous_lines,
    is_continuous,
    responder_lines,
)
from app.cohort.learn.primary_words import spread as figure_with_interval
from app.core import wording
from app.core.errors import StorageError
from app.gui.widgets.tables import Table

METRICS = {
    "auroc": "AUROC",
    "balanced_accuracy": "Balanced accuracy",
    "mcc": "MCC",
    "brier": "Brier",
    "log_loss": "Log loss",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "r_squared": "R\N{SUPERSCRIPT TWO}",
    "r": "Correlation",
    "absolute_error": "Absolute error",
    "known": "with a known change",
}
CHANGE = ("R\N{SUPERSCRIPT TWO}", "Correlation", "Absolute error",
          "Headline minus this (R\N{SUPERSCRIPT TWO})")  # fmt: skip
CURVES = {
    "roc": "ROC curve",
    "calibration": "Calibration",
    "decision": "Decision curve",
    "learning": "Learning curve",
    "learning_change": "Learning curve of the change",
}
_FIRST = ("Site", "Sex", "Model", "Definition", "name", "covariate", "cutoff", "threshold",
          "people", "responders", "known", "r_squared", "r", "absolute_error")  # fmt: skip
_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot."""

    label: str
    points: tuple[tuple[float, float], ...]
    strong: bool = False  # the headline
    dashed: bool = False  # a reference


@dataclass(frozen=True, slots=True)
class Record:
    """An evaluation as it was written; `figures` is the whole record."""

    figures: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read ``evaluation.json``.

        Raises
        ------
        StorageError
            It is not there or not an evaluation.
        """
        try:
            if path.stat().st_size > _LIMIT_BYTES:
                raise ValueError("too large")
            content = json.loads(path.read_text(encoding="utf-8"))
            record = cls(content)
            _ = record.headline, record.models(), record.sentence()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
            raise StorageError(
                "The evaluation cannot be read.", "Run it again: finished folds are kept.",
                code="gui.evaluation",
            ) from fault  # fmt: skip
        return record

    @property
    def headline(self) -> str:
        """Id of the model that the plan puts first."""
        return str(self.figures["headline"])

    @property
    def stamps(self) -> tuple[str, ...]:
        """What must stand over every figure."""
        return wording.stamps(simulated=bool(self.figures["simulated"]), research_only=False)

    def sentence(self) -> str:
        """The answer in one paragraph: the primary outcome."""
        if self.continuous_leads:
            words = " ".join(continuous_lines(self.figures))
            return f"Primary outcome: {self.figures['primary']['words']}. {words}"
        return " ".join((f"{self._label(self.headline)}.", *responder_lines(self.figures)))

    def secondary(self) -> str:
        """The other outcome: every responder definition, or the continuous one beside them."""
        if self.continuous_leads:
            words = " ".join(responder_lines(self.figures))
            return f"Secondary, responder definitions: {words}"
        lines = continuous_lines(self.figures)
        return f"Beside it, the continuous outcome: {' '.join(lines)}" if lines else ""

    @property
    def continuous_leads(self) -> bool:
        """Whether change on the scale is primary."""
        return is_continuous(self.figures)

    def remarks(self) -> tuple[str, ...]:
        """Flags, then every deviation from the locked plan."""
        told = [str(flag) for flag in self.figures["flags"]]
        told += [
            f"Deviation: {d['what']}: planned {d['planned']}, done {d['done']}. {d['reason']}"
            for d in self.figures["deviations"]
        ]
        return tuple(told)

    def plan_words(self) -> str:
        """Hash and time of the locked plan, and what a responder is."""
        plan = self.figures["plan"]
        return (
            f"Plan {self.figures['plan_sha256'][:16]}, locked {self.figures['plan_locked_utc']}; "
            f"{plan['treatment']['drug']}, {plan['responder']['time_point']}; responder: "
            f"{plan['responder']['definition']}; cut-off {plan['protocol']['cutoff']:g}. "
            f"{INTERVALS}."
        )

    def models(self) -> Table:
        """Every model on the same folds, the headline first, baselines always beside it."""
        found = self.figures["models"]
        names = [self.headline, *(name for name in found if name != self.headline)]
        metrics = [name for name in METRICS if name in found[self.headline]]
        change = self._change() if self.continuous_leads else {}
        differences = {
            name: entry.get("auroc", {}) for name, entry in self.figures["comparisons"].items()
        }
        rows = [
            (
                found[name]["label"],
                "headline" if name == self.headline else "rival",
                *change.get(name, ()),
                *(spread(found[name], metric) for metric in metrics),
                _difference(differences.get(name, {})),
            )
            for name in names
        ]
        if change:
            dashes = ("\N{EN DASH}",) * len(metrics)
            alone = self.figures["continuous"]["models"][BASELINE_ONLY]["label"]
            rows.append((alone, "rival", *change[BASELINE_ONLY], *dashes, ""))
        head = ("Model", "Role", *(CHANGE if change else ()), *(METRICS[m] for m in metrics),
                "Headline minus this (AUROC)")  # fmt: skip
        return Table(head, rows)

    def _change(self) -> dict[str, tuple[str, ...]]:
        """Figures of the continuous outcome by model, with the headline's difference in R2."""
        found = self.figures["continuous"]
        cells: dict[str, tuple[str, ...]] = {}
        for name, one in found["models"].items():
            compared = found["comparisons"].get(name, {}).get("r_squared", {})
            cells[name] = (
                spread(one, "r_squared"), spread(one, "r"), spread(one, "absolute_error"),
                _difference(compared),
            )  # fmt: skip
        return cells

    @property
    def _of_change(self) -> Mapping[str, Any]:
        """The continuous outcome; empty where there is none."""
        return self.figures.get("continuous") or {}

    def tables(self) -> dict[str, Table]:
        """The other questions, by title; those of the primary outcome first."""
        figures, change = self.figures, self._of_change
        cutoff = figures["plan"]["protocol"]["cutoff"]
        confounds = figures["confounds"].get("change") or {}
        of_change = {
            "The change by site": _of_entries("Site", change.get("by_site", {})),
            "The change by sex": _of_entries("Sex", change.get("by_sex", {})),
            "The change by arm": _of_entries("Arm", change.get("by_arm", {})),
            "Confounds of the change": _of_rows(confounds.get("covariates", [])),
        }
        found = {
            **(of_change if self.continuous_leads else {}),
            "By site": _of_entries("Site", figures["by_site"]),
            "By sex": _of_entries("Sex", figures["by_sex"]),
            "By arm": _of_entries("Arm", figures.get("by_arm", {})),
            "Each site left out": _of_entries("Model", figures["leave_one_site_out"]),
            "Confounds": _of_rows(figures["confounds"]["covariates"]),
            "Screening of a trial": _of_rows(figures["screening"]),
            "Secondary definitions": _of_entries("Definition", figures["secondary_definitions"]),
            "Conformal sets": _of_rows([_with_shares(figures["conformal"])]),
            "Sample size": _of_rows([figures["sample_size"]]),
            f"Confusion at {cutoff:g}": self._confusion(cutoff),
        }
        found |= of_change  # behind the others where a responder definition is primary
        found |= {f"{title}, as drawn": self._curve_table(key) for key, title in CURVES.items()}
        return {title: table for title, table in found.items() if table.rows}

    def _curve_table(self, which: str) -> Table:
        """The points of every line of a plot."""
        lines, below, left = self.curves(which)
        rows = [(line.label, float(x), float(y)) for line in lines for x, y in line.points]
        return Table(("Line", below, left), rows if any(not line.dashed for line in lines) else [])

    def curves(self, which: str) -> tuple[tuple[Curve, ...], str, str]:
        """Lines of a plot with the words of both axes; every model beside the headline."""
        if which == "decision":
            return self._decision(), "Threshold probability", "Net benefit"
        if which == "learning":
            return self._learning(self.figures["learning_curve"], "auroc", "AUROC")
        if which == "learning_change":
            rows = self._of_change.get("learning_curve", ())
            return self._learning(rows, "r_squared", CHANGE[0])
        lines = [Curve("chance" if which == "roc" else "ideal", ((0, 0), (1, 1)), dashed=True)]
        for name, found in self.figures["curves"].items():
            if which == "roc":
                points = tuple((float(x), float(y)) for x, y in found["roc"])
            else:
                points = tuple(
                    (float(b["probability"]), float(b["observed"])) for b in found["calibration"]
                )
            lines.append(Curve(self._label(name), points, strong=name == self.headline))
        if which == "roc":
            return tuple(lines), "False positive rate", "True positive rate"
        return tuple(lines), "Predicted probability", "Observed share of responders"

    def _learning(
        self, rows: Sequence[Mapping[str, Any]], name: str, label: str
    ) -> tuple[tuple[Curve, ...], str, str]:
        points = tuple(
            (float(p["training_people"]), float(p[name])) for p in rows if p.get(name) is not None
        )
        return (Curve(self._label(self.headline), points, strong=True),), "Training people", label

    def _decision(self) -> tuple[Curve, ...]:
        rows = self.figures["decision_curve"]
        own = tuple((float(r["threshold"]), float(r["model"])) for r in rows)
        everyone = tuple((float(r["threshold"]), float(r["treat_all"])) for r in rows)
        nobody = tuple((float(r["threshold"]), 0.0) for r in rows)
        return (
            Curve("treat nobody", nobody, dashed=True),
            Curve("treat all", everyone, dashed=True),
            Curve(self._label(self.headline), own, strong=True),
        )

    def _confusion(self, cutoff: float) -> Table:
        """Mean counts over repeats, from sensitivity and specificity at the declared cut-off."""
        one, cohort = self.figures["models"][self.headline], self.figures["cohort"]
        if one.get("sensitivity") is None or one.get("specificity") is None:
            return Table((), ())
        responders = int(cohort["responders"])
        others = int(cohort["scans"]) - responders
        hit, clear = one["sensitivity"] * responders, one["specificity"] * others
        head = ("", f"called responder (>= {cutoff:g})", "called non-responder")
        rows = (("responders", round(hit, 1), round(responders - hit, 1)),
                ("non-responders", round(others - clear, 1), round(clear, 1)))  # fmt: skip
        return Table(head, rows)

    def _label(self, name: str) -> str:
        return str(self.figures["models"][name]["label"])


def spread(entry: Mapping[str, Any], name: str) -> str:
    """A figure with its interval."""
    return figure_with_interval(entry.get(name), entry.get(f"{name}_interval"))


def _with_shares(conformal: Mapping[str, Any]) -> dict[str, Any]:
    """The share of each kind of set as a figure of its own."""
    shares = {f"share of {kind}": value for kind, value in conformal.get("share", {}).items()}
    return {**conformal, **shares}


def _difference(entry: Mapping[str, Any]) -> str:
    if not entry or entry.get("difference") is None:
        return ""
    return figure_with_interval(entry["difference"], entry["interval"], "+.2f")


def _of_entries(name: str, entries: Mapping[str, Any]) -> Table:
    return _of_rows([{name: key, **one} for key, one in entries.items()])


def _of_rows(rows: list[dict[str, Any]]) -> Table:
    """Columns of plain values; an interval stands with its figure."""
    there = {key for row in rows for key in row}
    columns: dict[str, None] = dict.fromkeys(key for key in _FIRST if key in there)
    for row in rows:
        for key, value in row.items():
            alone = key.endswith("_interval") and key.removesuffix("_interval") not in row
            if alone or not (key.endswith("_interval") or isinstance(value, dict | list)):
                columns[key] = None
    cells = [tuple(_cell(row, key) for key in columns) for row in rows]
    return Table(tuple(METRICS.get(key, key.replace("_", " ")) for key in columns), cells)


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return spread(row, key)
    if isinstance(value, list):
        return f"{value[0]:.2f} to {value[1]:.2f}"
    return "n/a" if value is None else str(value)
