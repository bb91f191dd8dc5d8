"""The prediction card's plots: probability on its scale, contributions, likeness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.core import wording
from app.core.colours import (
    ACCENT,
    INK,
    MUTED,
    NON_RESPONDER,
    RESPONDER,
    RULE,
    diverging_table,
)
from app.core.results import ModelSummary, Novelty, Prediction
from app.reporting.theme import axes_mm, bare, light_grid, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = np.arange(0.0, 1.01, 0.2)
_UP = unit(tuple(int(v) for v in diverging_table()[214]))  # type: ignore[arg-type]
_DOWN = unit(tuple(int(v) for v in diverging_table()[41]))  # type: ignore[arg-type]


def _scale(axes: Axes, model: ModelSummary) -> None:
    """The 0..100 % axis with the base rate and the cut-off, the same in both panels."""
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks(TICKS, [f"{round(100 * tick)}" for tick in TICKS])
    axes.set_xlabel("Estimated probability (%)")
    top = axes.get_ylim()[1]
    axes.axvline(model.base_rate, color=unit(MUTED), linewidth=0.9, linestyle=(0, (1, 1.2)))
    axes.axvline(model.cutoff, color=unit(INK), linewidth=0.9, linestyle=(0, (5, 2)))
    rate_left = model.base_rate <= model.cutoff
    for place, text, left in (
        (model.base_rate, f"base rate {wording.percent(model.base_rate)}", rate_left),
        (model.cutoff, f"cut-off {wording.percent(model.cutoff)}", not rate_left),
    ):
        axes.annotate(
            text,
            (place, top),
            xytext=(-2 if left else 2, 1.5),
            textcoords="offset points",
            ha="right" if left else "left",
            va="bottom",
            fontsize=7,
            color=unit(INK if "cut" in text else MUTED),
            annotation_clip=False,
        )


def _mark(axes: Axes, place: float, height: float, hollow: bool = False) -> None:
    axes.plot(
        [place],
        [height],
        marker="D",
        markersize=6,
        color=unit(ACCENT),
        markerfacecolor="white" if hollow else unit(ACCENT),
        markeredgewidth=1.1,
        clip_on=False,
        zorder=6,
    )


def _histogram(axes: Axes, model: ModelSummary) -> float:
    """Held-out scores by class, mirrored: responders upward; returns the largest bar."""
    edges = np.asarray(model.score_edges, dtype=np.float64)
    up = np.asarray(model.score_counts_responder, dtype=np.float64)
    down = np.asarray(model.score_counts_non_responder, dtype=np.float64)
    width = np.diff(edges)
    largest = float(max(up.max(initial=0.0), down.max(initial=0.0), 1.0))
    style: dict[str, Any] = {"align": "edge", "linewidth": 0.3, "edgecolor": "white"}
    axes.bar(edges[:-1], up, width, color=unit(RESPONDER), hatch="////", **style)
    axes.bar(edges[:-1], -down, width, color=unit(NON_RESPONDER), **style)
    axes.axhline(0.0, color=unit(MUTED), linewidth=0.4)
    return largest


def probability_figure(prediction: Prediction, width_mm: float, height_mm: float) -> Figure:
    """Probability with its interval over the held-out scores; covariates only, same scale.

    Left: how many held-out participants of each class had which score, this participant's mark
    and 95 % interval, base rate and cut-off. Right: the covariate-only estimate on the same
    scale, with the full model's mark (hollow) to compare.
    """
    model, probability, interval = prediction.model, prediction.probability, prediction.interval
    if model is None or probability is None or interval is None:
        raise ValueError("a withheld prediction has no probability plot")
    figure = new_figure(width_mm, height_mm)
    panel = (width_mm - 26.0) / 2
    left = axes_mm(figure, 11.0, 9.5, panel, height_mm - 17.0)
    largest = _histogram(left, model)
    left.set_ylim(-1.08 * largest, 1.75 * largest)
    lane = 1.42 * largest
    left.plot(interval, [lane, lane], color=unit(ACCENT), linewidth=2.2, solid_capstyle="butt")
    for bound in interval:
        left.plot([bound] * 2, [lane - 0.1 * largest, lane + 0.1 * largest], color=unit(ACCENT))
    _mark(left, probability, lane)
    _scale(left, model)
    ticks = [t for t in left.get_yticks() if abs(t) <= 1.05 * largest and float(t).is_integer()]
    ticks = ticks if len(ticks) <= 7 else ticks[::2]
    left.set_yticks(ticks, [f"{abs(int(t))}" for t in ticks])
    left.set_ylabel("Held-out participants", y=0.38)
    for height, text in ((0.9, "met the definition"), (-0.9, "did not meet it")):
        left.text(
            0.985, height * largest, text, ha="right", va="center", fontsize=7,
            color=unit(RESPONDER if height > 0 else NON_RESPONDER), fontweight="semibold",
        )  # fmt: skip
    left.set_title("This model: probability, interval, held-out scores", pad=11)

    right = axes_mm(figure, 19.0 + panel, 9.5, panel, height_mm - 17.0)
    right.set_ylim(0.0, 3.0)
    right.set_yticks([])
    right.spines["left"].set_visible(False)
    _scale(right, model)
    right.set_title("Covariates only (age, sex, motion, baseline pain)", pad=11)
    _compare(right, prediction, probability)
    return figure


def _compare(axes: Axes, prediction: Prediction, probability: float) -> None:
    other = prediction.covariate_probability
    rows = [(2.3, probability, "this model", True)]
    if other is None:
        axes.text(0.5, 1.1, "not estimated", ha="center", color=unit(MUTED))
    else:
        rows.append((1.3, other, "covariates only", False))
    label: dict[str, Any] = {
        "va": "center",
        "fontsize": 7.5,
        "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.0},
    }
    for height, place, name, hollow in rows:
        axes.hlines(height, 0, 1, color=unit(RULE), linewidth=0.5)
        _mark(axes, place, height, hollow)
        left = place > 0.6
        axes.annotate(
            f"{name} {wording.percent(place)}",
            (place, height),
            xytext=(-8 if left else 8, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            **label,
        )
    if other is not None:
        points = wording.signed(100 * (probability - other), 0)
        axes.text(0.5, 0.4, f"difference {points} percentage points", ha="center", **label)


def contribution_figure(
    contributions: dict[str, float], log_odds: float | None, width_mm: float, height_mm: float
) -> Figure:
    """Signed contribution of each input in log-odds; nothing is summed over signs."""
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, 30.0, 8.5, width_mm - 33.0, height_mm - 9.5)
    names = [wording.modality_word(key) for key in contributions]
    values = [float(value) for value in contributions.values()]
    if log_odds is not None:
        names.append("Sum (log-odds)")
        values.append(float(log_odds))
    places = np.arange(len(names))[::-1]
    reach = max(max(abs(value) for value in values), 1e-6)
    for place, value, name in zip(places, values, names, strict=True):
        colour = unit(MUTED) if name.startswith("Sum") else (_UP if value >= 0 else _DOWN)
        axes.barh(place, value, 0.62, color=colour)
        axes.annotate(
            wording.signed(value), (value, place), xytext=(3 if value >= 0 else -3, 0),
            textcoords="offset points", ha="left" if value >= 0 else "right", va="center",
            fontsize=7.5,
        )  # fmt: skip
    axes.axvline(0.0, color=unit(INK), linewidth=0.6)
    axes.set_xlim(-1.45 * reach, 1.45 * reach)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Log-odds, down (−) or up (+)", labelpad=1)
    light_grid(axes, "x")
    return figure


def likeness_figure(novelty: Novelty, width_mm: float, height_mm: float) -> Figure:
    """Where the participant lies among the training participants' own distances, 0..100."""
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, 3.0, 8.0, width_mm - 6.0, height_mm - 11.5)
    bare(axes)
    axes.spines["bottom"].set_visible(True)
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(0.0, 1.0)
    axes.axvspan(0.0, novelty.limit, 0.0, 0.5, color=unit((232, 238, 244)), linewidth=0)
    axes.axvspan(
        novelty.limit, 100.0, 0.0, 0.5, facecolor="white", edgecolor=unit(MUTED), hatch="////",
        linewidth=0,
    )  # fmt: skip
    axes.axvline(novelty.limit, color=unit(INK), linewidth=0.9, linestyle=(0, (5, 2)))
    right_side = novelty.limit > 70
    axes.text(
        novelty.limit + (-1 if right_side else 1), 1.02, f"limit {wording.number(novelty.limit)}",
        fontsize=7, ha="right" if right_side else "left", va="bottom",
    )  # fmt: skip
    axes.plot([novelty.percentile], [0.5], "D", color=unit(ACCENT), markersize=6, clip_on=False)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("Percentile of distance to the training participants (0 = most like them)")
    return figure
