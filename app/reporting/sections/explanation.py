"""Page 2: what the model relied on, in slices, surface, matrix, tables and with its health."""

from __future__ import annotations

import numpy as np

from app.core import wording
from app.core.arrays import Bools, Floats
from app.core.colours import CORRELATION_LIMIT, SignedScale, signed_scale
from app.core.explanation_lists import CONNECTIONS_RULE, REGIONS_RULE
from app.core.explanation_wording import (
    DEFAULT_METHOD,
    METHOD_NAMES,
    brief_health_rows,
    caption,
    method_text,
)
from app.core.frames import not_cleaned_text
from app.core.parcel_places import parcel_places_mm
from app.core.results import Attribution, Case, CleanSignals
from app.core.sides import side_word
from app.reporting.blocks import (
    Block,
    Columns,
    Fields,
    Heading,
    Missing,
    Picture,
    Section,
    Table,
    Text,
)
from app.reporting.context import ReportContext
from app.reporting.figures.colour_bar import BAR_MM, signed_bar_figure
from app.reporting.figures.matrix import matrix_figure, network_figure
from app.reporting.figures.slices import attribution_slices
from app.reporting.figures.surface import surface_figure
from app.reporting.ranking import hemisphere_sums, readable, top_connections, top_regions

ROWS = 6
LEFT_MM, RIGHT_MM = 112.0, 64.0
MATRIX_MM = 56.0
SURFACE_MM = 50.0
NETWORK_MM = 42.0
CONNECTION_TOP_SHARE = 0.02


def build(context: ReportContext) -> Section | None:
    """Left out when there is no number or no attribution."""
    case = context.case
    attribution, signals = case.attribution, case.signals
    if attribution is None or signals is None or not context.shows_number:
        return None
    scale = context.parcel_scale
    values = np.asarray(attribution.scan.per_parcel)
    blocks: list[Block] = [
        Text(caption(attribution), "caption"),
        Columns(
            (
                tuple(_slices(context, attribution, signals, scale, values)),
                (
                    *_surface(context, attribution, scale, values),
                    _bar(scale, values),
                    _networks(signals, values),
                ),
            ),
            (LEFT_MM, RIGHT_MM),
        ),
        _matrices(case, attribution, signals),
        _tables(case, attribution, signals),
        Text(method_text(attribution), "caption"),
        Text(_limits_line(case), "caption"),
    ]
    return Section(f"Explanation: {METHOD_NAMES[DEFAULT_METHOD]}", tuple(blocks))


def _limits_line(case: Case) -> str:
    prediction = case.prediction
    model = prediction.model if prediction else None
    if model is None:
        return wording.NON_CAUSAL_CAPTION
    first = "".join(f" {limit.rstrip('.')}." for limit in model.limits[:1])
    more = " All limits stand under Model and provenance." if len(model.limits) > 1 else ""
    return f"Limits: n = {model.training_count}. {wording.metric_text(model)}.{first}{more}"


def _peaks(
    hatched: Bools, signals: CleanSignals, values: Floats, places_mm: Floats
) -> tuple[tuple[str, Floats], ...]:
    """The regions with the largest upward and the largest downward share, stable ones only.

    Each is cut at the voxel that the window goes to as well, `places_mm` of `parcel_places_mm`.
    """
    stable = np.where(hatched, 0.0, np.nan_to_num(values))
    points = []
    for title, signed in (("Largest upward", stable), ("Largest downward", -stable)):
        parcel = int(np.argmax(signed))
        if signed[parcel] <= 0.0:
            continue
        side = side_word(signals.hemispheres[parcel])
        name = readable(signals.parcel_names[parcel])
        drawn = parcel + 1 < len(places_mm) and np.isfinite(places_mm[parcel + 1]).all()
        place = places_mm[parcel + 1] if drawn else signals.centroids_mm[parcel]
        points.append(
            (
                f"{title}: {name}, {side} ({wording.signed(float(stable[parcel]), 3)})",
                np.asarray(place, dtype=np.float64),
            )
        )
    return tuple(points) or (("No region moved the estimate", np.zeros(3)),)


def _slices(
    context: ReportContext,
    attribution: Attribution,
    signals: CleanSignals,
    scale: SignedScale,
    values: Floats,
) -> list[Block]:
    view = context.view
    if view.template is None or view.labels is None or view.affine is None:
        return [Missing("Slices", "The template or label files of this case are missing.")]
    places_mm = parcel_places_mm(view.labels, view.affine)
    points = _peaks(context.hatched, signals, values, places_mm)
    height = 51.0 * len(points)
    hidden = int(values.size - scale.shown(values).sum())
    return [
        Picture(
            attribution_slices(
                view, values, context.hatched, scale, points,
                context.convention,
                LEFT_MM,
                height,
            ),
            LEFT_MM,
            height,
            alt="Slices of the template with painted regions. " + "; ".join(p[0] for p in points),
            caption=(
                f"{context.convention}: {context.convention_meaning}. "
                f"{signals.template}, {signals.atlas}. "
                f"{wording.ATTRIBUTION_SCAN_CAPTION} "
                f"{wording.hidden_text(hidden, values.size)} "
                f"(|value| < {wording.number(scale.threshold)} log-odds)."
            ),
        )
    ]  # fmt: skip


def _surface(
    context: ReportContext, attribution: Attribution, scale: SignedScale, values: Floats
) -> list[Block]:
    if not context.view.surface:
        return [Missing("Surface", "The surface file of this case is missing.")]
    return [
        Picture(
            surface_figure(
                context.view.surface, values, context.hatched, scale,
                RIGHT_MM,
                SURFACE_MM,
                sides_known=context.case.scan.orientation_known,
            ),
            RIGHT_MM,
            SURFACE_MM,
            alt="Inflated surface of both hemispheres, lateral and medial, same colours.",
            caption=(
                "fsaverage5, inflated; never mirrored. Regions below the cortex are in the "
                "slices only."
            ),
        )
    ]  # fmt: skip


def _bar(scale: SignedScale, values: Floats) -> Picture:
    return Picture(
        signed_bar_figure(
            scale,
            "Per region, log-odds (grey: below threshold)",
            clipped=scale.clipped(values),
            width_mm=RIGHT_MM,
        ),
        RIGHT_MM,
        BAR_MM,
        alt=(
            f"Colour bar from {wording.signed(-scale.limit, 3)} to "
            f"{wording.signed(scale.limit, 3)} log-odds. Regions that moved the estimate down "
            "have a light outline, those that moved it up a dark one."
        ),
    )


def _networks(signals: CleanSignals, values: Floats) -> Picture:
    return Picture(
        network_figure(values, signals.networks, RIGHT_MM, NETWORK_MM),
        RIGHT_MM,
        NETWORK_MM,
        alt="Positive and negative sums per network, kept apart.",
        caption="By side, up and down: "
        + "; ".join(
            f"{side} {wording.signed(up)} {wording.signed(down)}"
            for side, up, down in hemisphere_sums(values, signals.hemispheres)
        )
        + ".",
    )


def _matrices(case: Case, attribution: Attribution, signals: CleanSignals) -> Columns:
    connections = np.array(attribution.scan.per_connection, dtype=np.float64)
    edges = connections[np.triu_indices(connections.shape[0], 1)]
    scale = signed_scale(edges, top_share=CONNECTION_TOP_SHARE)
    edge_scale = SignedScale(scale.limit, 0.0, scale.unit)
    parts: list[tuple[Block, ...]] = []
    if case.connectome is not None:
        parts.append(connectivity_blocks(case, signals, MATRIX_MM))
    parts.append(
        (
            Heading("(b) Attribution per connection"),
            Picture(
                matrix_figure(
                    connections,
                    signals.networks,
                    signals.hemispheres,
                    edge_scale,
                    "Log-odds per connection",
                    MATRIX_MM,
                ),
                MATRIX_MM,
                MATRIX_MM + 4.0,
                alt="Attribution of each connection in network order.",
                caption="Above the diagonal: moved it up; below: down.",
            ),
        )
    )
    parts.append(
        (
            Heading("Health of this explanation"),
            Fields(brief_health_rows(attribution, case.health), 1, label_share=0.34),
        )
    )
    return Columns(tuple(parts), tuple([MATRIX_MM] * (len(parts) - 1) + [60.0]))


def connectivity_blocks(case: Case, signals: CleanSignals, width_mm: float) -> tuple[Block, ...]:
    """The connectivity matrix under its title; also used where a number is withheld."""
    if case.connectome is None:
        return (Missing("Connectivity", "The connectivity stage was not reached."),)
    few = not_cleaned_text(signals)
    if few:
        return (Missing("Connectivity", few),)
    return (
        Heading("Connectivity"),
        Picture(
            matrix_figure(
                case.connectome.matrix,
                signals.networks,
                signals.hemispheres,
                SignedScale(CORRELATION_LIMIT, 0.0, "r"),
                f"Pearson r, {case.connectome.frame_count} frames",
                width_mm,
            ),
            width_mm,
            width_mm + 4.0,
            alt="Parcel-to-parcel correlation in network order, fixed scale -1 to 1.",
            caption="Above the diagonal: r > 0; below: r < 0.",
        ),
    )


def _tables(case: Case, attribution: Attribution, signals: CleanSignals) -> Columns:
    regions = top_regions(attribution, signals, ROWS, case.health)
    matrix = None if case.connectome is None else case.connectome.matrix
    edges = top_connections(attribution, signals, matrix, ROWS, case.health)
    sides = {"L": "L", "R": "R"}

    def side(name: str) -> str:
        return sides.get(name[-1:], "") if name[-2:] in ("_L", "_R") else ""

    region_table = Table(
        ("Region", "Side", "Network", "(b)", "(a)"),
        tuple(
            (
                readable(row.name), row.hemisphere, row.network,
                wording.signed(row.scan, 3), wording.signed(row.branches, 3),
            )
            for row in regions
        ),
        (4.0, 1.0, 2.4, 1.2, 1.2),
        "lclrr",
        caption=(
            "Largest regions in log-odds. (b) what in the scan mattered, (a) what each branch "
            f"used. {REGIONS_RULE}"
        ),
    )  # fmt: skip
    edge_table = Table(
        ("Connection", "Networks", "(b)", "r"),
        tuple(
            (
                f"{readable(row.first)} {side(row.first)} – {readable(row.second)} "
                f"{side(row.second)}",
                row.first_network
                if row.first_network == row.second_network
                else f"{row.first_network} – {row.second_network}",
                wording.signed(row.scan, 4),
                "–" if row.correlation is None else wording.signed(row.correlation),
            )
            for row in edges
        ),
        (5.0, 3.0, 1.5, 1.1),
        "llrr",
        caption=f"Largest connections; r is the measured correlation. {CONNECTIONS_RULE}",
    )
    return Columns(((region_table,), (edge_table,)), (1.0, 1.15))
