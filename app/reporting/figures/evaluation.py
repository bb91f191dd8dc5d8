"""Figures of an evaluation: competitors side by side, calibration, decisions, learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.core.colours import ACCENT, INK, MUTED, NON_RESPONDER, RESPONDER, RULE, Rgb
from app.reporting.evaluation.facts import (
    MODEL,
    CalibrationPlot,
    Competitor,
    Confusion,
    DecisionCurve,
    Estimate,
    Group,
    LearningCurve,
    Permutation,
    metric_of,
)
from app.reporting.theme import MM, axes_mm, bare, light_grid, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_MM = 4.6
LINE_MM = 2.9  # of a label's further lines
LABEL_PT = 7.0
NARROWEST_MM, WIDEST_MM = 30.0, 72.0  # of the labels' column
PANEL_GAP_MM = 8.0
ROUGH = 1.04  # letters that are fitted to the pixels of a coarse picture are wider
PALETTE: tuple[Rgb, ...] = (ACCENT, NON_RESPONDER, RESPONDER, MUTED, (20, 140, 140), (205, 62, 78))
DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1, 1.2), (6, 2, 1, 2), (2, 2), (8, 2))


def signed_text(value: float, digits: int = 2) -> str:
    """ "+0.12", "−0.03"."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def plain_text(value: float, digits: int = 2) -> str:
    """ "0.62", "−0.10"."""
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _interval(axes: Axes, place: float, one: Estimate, colour: Rgb, size: float = 4.5) -> None:
    if one.low is not None and one.high is not None:
        axes.plot([one.low, one.high], [place, place], color=unit(colour), linewidth=1.1)
    axes.plot([one.value], [place], "o", color=unit(colour), markersize=size)


def _limits(estimates: Sequence[Estimate], neutral: float | None) -> tuple[float, float]:
    values = [v for one in estimates for v in (one.value, one.low, one.high) if v is not None]
    values += [] if neutral is None else [neutral]
    low, high = min(values), max(values)
    margin = 0.06 * max(high - low, 1e-3)
    return low - margin, high + margin


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of rows, broken so that none is cut, with the room that they need."""

    texts: tuple[str, ...]
    width_mm: float
    row_mm: float

    @classmethod
    def of(cls, labels: Sequence[str]) -> Labels:
        """Call it inside `drawing_style`: widths are those of its typeface."""
        broken = [_broken(text, WIDEST_MM) for text in labels]
        widest = max((_width_mm(line) for lines in broken for line in lines), default=0.0)
        most = max((len(lines) for lines in broken), default=1)
        return cls(
            tuple("\n".join(lines) for lines in broken),
            min(max(widest, NARROWEST_MM), WIDEST_MM) + 3.0,
            ROW_MM + LINE_MM * (most - 1),
        )


def _width_mm(text: str) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    bold = FontProperties(weight="semibold")  # the widest that a label is set in
    exact = float(TextPath((0, 0), text, size=LABEL_PT, prop=bold).get_extents().x1) / MM
    return ROUGH * exact


def _broken(text: str, width_mm: float) -> list[str]:
    """Lines of at most that width, broken between words; a longer word stays whole."""
    lines: list[str] = []
    for word in text.split():
        if lines and _width_mm(f"{lines[-1]} {word}") <= width_mm:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines or [""]


def comparison_height_mm(competitors: Sequence[Competitor], metric: str, width_mm: float) -> float:
    """Height that `comparison_figure` needs for these competitors."""
    labels = Labels.of([one.label for one in competitors if metric in one.estimates])
    return _below_mm(metric, labels, width_mm) + 7.0 + labels.row_mm * len(labels.texts)


def _panel_mm(labels: Labels, width_mm: float) -> float:
    return (width_mm - labels.width_mm - PANEL_GAP_MM - 2.0) / 2


def _below_mm(metric: str, labels: Labels, width_mm: float) -> float:
    """Room below the panels: ticks and what the metric means, broken to the panel's width."""
    meaning = _broken(metric_of(metric).meaning, _panel_mm(labels, width_mm))
    return 10.0 + LINE_MM * (len(meaning) - 1)


def comparison_figure(competitors: Sequence[Competitor], metric: str, width_mm: float) -> Figure:
    """The headline metric of everybody, and the main model's difference to each other."""
    shown = [one for one in competitors if metric in one.estimates]
    count = len(shown)
    labels = Labels.of([one.label for one in shown])
    figure = new_figure(width_mm, comparison_height_mm(shown, metric, width_mm))
    panel, below = _panel_mm(labels, width_mm), _below_mm(metric, labels, width_mm)
    left = axes_mm(figure, labels.width_mm, below, panel, labels.row_mm * count)
    second = labels.width_mm + panel + PANEL_GAP_MM
    right = axes_mm(figure, second, below, panel, labels.row_mm * count)
    kind = metric_of(metric)
    places = np.arange(count)[::-1]
    for place, one in zip(places, shown, strict=True):
        colour = ACCENT if one.role == MODEL else MUTED
        _interval(left, place, one.estimates[metric], colour)
        if one.difference is not None:
            _interval(right, place, one.difference, colour)
    left.set_yticks(places, labels.texts, fontsize=LABEL_PT)
    for text, one in zip(left.get_yticklabels(), shown, strict=True):
        if one.role == MODEL:
            text.set_color(unit(ACCENT))
            text.set_fontweight("semibold")
    right.set_yticks([])
    differences = [one.difference for one in shown if one.difference is not None]
    for axes, found, neutral in (
        (left, [one.estimates[metric] for one in shown], kind.neutral),
        (right, differences, 0.0),
    ):
        axes.set_ylim(-0.6, count - 0.4)
        if found:
            axes.set_xlim(*_limits(found, neutral))
        if neutral is not None:
            axes.axvline(neutral, color=unit(INK), linewidth=0.7, linestyle=(0, (4, 2)), zorder=0)
        light_grid(axes, "x")
        axes.tick_params(axis="y", length=0)
    left.set_title("\n".join(_broken(f"{kind.label}, 95 % interval", panel)))
    right.set_title("\n".join(_broken(f"Main model minus this one ({kind.label})", panel)))
    left.set_xlabel("\n".join(_broken(kind.meaning, panel)))
    right.set_xlabel("above 0: the main model is better")
    if not differences:
        bare(right)
        right.text(0.5, 0.5, "no differences", transform=right.transAxes, ha="center")
    return figure


def calibration_figure(plot: CalibrationPlot, base_rate: float, side_mm: float) -> Figure:
    """Observed share against predicted probability, and how the probabilities are spread."""
    figure = new_figure(side_mm, side_mm + 14.0)
    box = side_mm - 16.0
    axes = axes_mm(figure, 12.0, 24.0, box, box)
    axes.plot([0, 1], [0, 1], color=unit(MUTED), linewidth=0.7, linestyle=(0, (4, 2)))
    axes.axhline(base_rate, color=unit(MUTED), linewidth=0.7, linestyle=(0, (1, 1.2)))
    axes.annotate(
        f"base rate {100 * base_rate:.0f} %", (1.0, base_rate), xytext=(-1, 1.5),
        textcoords="offset points", ha="right", va="bottom", fontsize=6.5, color=unit(MUTED),
    )  # fmt: skip
    axes.vlines(plot.predicted, plot.low, plot.high, color=unit(ACCENT), linewidth=0.9)
    sizes = 10.0 + 60.0 * plot.counts / max(float(plot.counts.max(initial=1.0)), 1.0)
    axes.scatter(plot.predicted, plot.observed, s=sizes, color=unit(ACCENT), zorder=3)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_ylabel("Observed share of responders")
    axes.tick_params(labelbottom=False)
    axes.set_title("Calibration")
    light_grid(axes, "both")
    below = axes_mm(figure, 12.0, 9.0, box, 12.0)
    below.bar(
        plot.edges[:-1], plot.histogram, np.diff(plot.edges), align="edge", color=unit(RULE),
        edgecolor=unit(MUTED), linewidth=0.4,
    )  # fmt: skip
    below.set_xlim(0, 1)
    below.set_ylabel("People", fontsize=6.5)
    below.set_xlabel("Predicted probability (out of fold)")
    return figure


def confusion_figure(found: Confusion, side_mm: float) -> Figure:
    """Counts and row shares at the cut-off."""
    figure = new_figure(side_mm, side_mm + 2.0)
    box = side_mm - 24.0
    axes = axes_mm(figure, 22.0, 12.0, box, box)
    bare(axes)
    counts = np.array(
        [[found.true_positive, found.false_negative], [found.false_positive, found.true_negative]],
        float,
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    for row in range(2):
        for column in range(2):
            share = float(shares[row, column])
            tone = tuple(int(255 - share * (255 - value)) for value in ACCENT)
            axes.fill_between(
                [column, column + 1], 1 - row, 2 - row,
                color=unit((tone[0], tone[1], tone[2])), linewidth=0,
            )  # fmt: skip
            ink = "white" if share > 0.55 else unit(INK)
            axes.text(
                column + 0.5, 1.55 - row, f"{counts[row, column]:.1f}".removesuffix(".0"),
                ha="center", va="center",
                fontsize=13, fontweight="semibold", color=ink,
            )  # fmt: skip
            axes.text(
                column + 0.5, 1.27 - row, f"{100 * share:.0f} % of row", ha="center", va="center",
                fontsize=6.8, color=ink,
            )  # fmt: skip
    axes.set_xlim(0, 2)
    axes.set_ylim(0, 2)
    axes.set_xticks([0.5, 1.5], ["predicted\nresponder", "predicted\nnon-responder"])
    axes.set_yticks([1.5, 0.5], ["responder", "non-\nresponder"])
    axes.tick_params(length=0)
    axes.set_title(f"Decisions at the cut-off {100 * found.cutoff:.0f} %")
    return figure


def decision_figure(curve: DecisionCurve, width_mm: float, height_mm: float) -> Figure:
    """Net benefit of deciding by each model, for everybody, for nobody."""
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, 13.0, 10.0, width_mm - 16.0, height_mm - 16.0)
    axes.axhline(0.0, color=unit(INK), linewidth=0.7)
    axes.plot(curve.thresholds, curve.treat_all, color=unit(INK), linewidth=0.8,
              linestyle=(0, (1, 1.2)), label="everybody")  # fmt: skip
    for number, (label, values) in enumerate(curve.curves):
        axes.plot(
            curve.thresholds, values, label=label, color=unit(PALETTE[number % len(PALETTE)]),
            linewidth=1.5 if number == 0 else 0.9,
            linestyle=(0, DASHES[number % len(DASHES)]) if number else "-",
        )  # fmt: skip
    top = max(
        float(np.nanmax(np.concatenate([curve.treat_all, *[v for _, v in curve.curves]]))), 0.05
    )
    axes.set_ylim(-0.35 * top, 1.1 * top)
    axes.set_xlim(float(curve.thresholds[0]), float(curve.thresholds[-1]))
    axes.set_xlabel(
        "Threshold probability (how sure one wants to be before choosing the treatment)"
    )
    axes.set_ylabel("Net benefit")
    axes.set_title("Decision curve; 0 = nobody")
    axes.legend(loc="upper right")
    light_grid(axes)
    return figure


def learning_figure(
    curves: Sequence[LearningCurve], metric: str, width_mm: float, height_mm: float
) -> Figure:
    """The metric by number of training people, with its spread."""
    kind = metric_of(metric)
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, 13.0, 10.0, width_mm - 16.0, height_mm - 16.0)
    for number, curve in enumerate(curves):
        colour = unit(PALETTE[number % len(PALETTE)])
        axes.fill_between(
            curve.people, curve.low, curve.high, color=colour, alpha=0.12, linewidth=0
        )
        axes.plot(
            curve.people, curve.values, marker="o", markersize=3.5, linewidth=1.1, color=colour,
            label=curve.label, linestyle=(0, DASHES[number % len(DASHES)]) if number else "-",
        )  # fmt: skip
    if kind.neutral is not None:
        axes.axhline(kind.neutral, color=unit(INK), linewidth=0.7, linestyle=(0, (4, 2)))
    axes.set_xlabel("Training people")
    axes.set_ylabel(kind.label)
    axes.set_title("Learning curve (band: 95 % bootstrap over persons)")
    axes.legend(loc="best")
    light_grid(axes)
    return figure


def groups_height_mm(groups: Sequence[Group]) -> float:
    """Height that `groups_figure` needs for the groups that have a figure."""
    labels = _group_labels(groups)
    return 17.0 + labels.row_mm * len(labels.texts)


def _group_labels(groups: Sequence[Group]) -> Labels:
    return Labels.of(
        [f"{one.kind}: {one.name} (n = {one.people})" for one in groups if one.estimate is not None]
    )


def groups_figure(
    groups: Sequence[Group], overall: Estimate | None, metric: str, width_mm: float
) -> Figure:
    """The main model within each site and sex."""
    kind, shown = metric_of(metric), [one for one in groups if one.estimate is not None]
    labels = _group_labels(groups)
    figure = new_figure(width_mm, groups_height_mm(groups))
    axes = axes_mm(
        figure, labels.width_mm, 10.0, width_mm - labels.width_mm - 3.0,
        labels.row_mm * max(len(shown), 1),
    )  # fmt: skip
    places = np.arange(len(shown))[::-1]
    for place, one in zip(places, shown, strict=True):
        if one.estimate is not None:
            _interval(axes, place, one.estimate, MUTED)
    if overall is not None:
        axes.axvline(overall.value, color=unit(ACCENT), linewidth=0.9)
    if kind.neutral is not None:
        axes.axvline(kind.neutral, color=unit(INK), linewidth=0.7, linestyle=(0, (4, 2)))
    axes.set_yticks(places, labels.texts, fontsize=LABEL_PT)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{kind.label} by group; blue line: everybody")
    axes.set_xlabel(kind.label)
    light_grid(axes, "x")
    return figure


def permutation_figure(found: Permutation, width_mm: float, height_mm: float) -> Figure:
    """What shuffled labels reach, and what the true ones reached."""
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, 13.0, 10.0, width_mm - 16.0, height_mm - 16.0)
    axes.hist(found.null, 24, color=unit(RULE), edgecolor=unit(MUTED), linewidth=0.4)
    axes.axvline(found.observed, color=unit(ACCENT), linewidth=1.4)
    left = found.observed < float(np.mean(axes.get_xlim()))
    axes.annotate(
        f"true labels {plain_text(found.observed)}", (found.observed, 1),
        xytext=(3 if left else -3, -7), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=unit(ACCENT),
        ha="left" if left else "right",
    )  # fmt: skip
    axes.set_xlabel(f"{found.statistic} under shuffled labels")
    axes.set_ylabel("Shuffles")
    axes.set_title(f"{found.repeats} shuffles {found.scheme}")
    return figure
