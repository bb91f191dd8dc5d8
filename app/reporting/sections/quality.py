"""Page 3: what the scan was like, each gate with value, limit and where the limit comes from."""

from __future__ import annotations

import numpy as np

from app.core import wording
from app.core.colours import CARPET_LIMIT_SD
from app.core.frames import not_cleaned_text
from app.core.results import Case, Finding, Severity
from app.reporting.blocks import Block, Columns, Heading, Missing, Picture, Section, Table, Text
from app.reporting.context import ReportContext
from app.reporting.figures.probability import likeness_figure
from app.reporting.figures.quality import timeline_figure
from app.reporting.figures.slices import NARROW_PLAN, WIDE_PLAN, registration_edges
from app.reporting.sections.explanation import connectivity_blocks

FD_KEYS = ("flag_fd_power_mm", "spike_fd_mm", "fd_limit_mm", "fd_threshold_mm", "fd_power_limit_mm")
DVARS_KEYS = (
    "flag_std_dvars",
    "spike_std_dvars",
    "std_dvars_limit",
    "std_dvars_threshold",
    "dvars_threshold",
)


def build(context: ReportContext) -> Section:
    """Traces, carpets, gates, registration, likeness."""
    case = context.case
    blocks: list[Block] = [Heading("Motion and signal over time"), *_timeline(context)]
    blocks += [Heading("Requirements", _table_note(case)), _gates(case)]
    if context.shows_number or case.connectome is None or case.signals is None:
        blocks += [*_registration(context, WIDE_PLAN, 180.0, 40.0), *_likeness(case)]
    else:
        # page 2 with the matrix is left out: it stands here
        right = (*_registration(context, NARROW_PLAN, 116.0, 48.0), *_likeness(case))
        blocks.append(Columns((connectivity_blocks(case, case.signals, 54.0), right), (60, 116)))
    return Section("Quality", tuple(blocks))


def limit_of(parameters: dict[str, object], keys: tuple[str, ...]) -> float | None:
    """A limit from the executed parameters, however deep it lies; None where it is not told."""
    for key, value in parameters.items():
        if key in keys and isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, dict):
            found = limit_of(value, keys)
            if found is not None:
                return found
    return None


def _timeline(context: ReportContext) -> list[Block]:
    case, view = context.case, context.view
    if case.motion is None or case.signals is None:
        return [Missing("Traces and carpet", "The motion or cleaning stage was not reached.")]
    signals = case.signals
    good = np.asarray(signals.good_frames)
    shift = case.motion.framewise_displacement_mm.size - good.size
    displacement = np.asarray(case.motion.framewise_displacement_mm)[max(shift, 0) :]
    carpets = []
    networks: tuple[str, ...] = ()
    few = not_cleaned_text(signals)
    after = None if few else view.carpet_after  # it would be plain grey
    if view.carpet_rows is not None:
        networks = tuple(signals.networks[int(row)] for row in view.carpet_rows)
        for title, rows in (("Before", view.carpet_before), ("After", after)):
            if rows is not None and rows.shape == (len(networks), good.size):
                carpets.append((title, rows))
    parameters = case.provenance.parameters if case.provenance else {}
    dvars = signals.confounds.get("std_dvars")
    # A long list of gates takes its room from the carpets, so that the section stays one page.
    gates = len(case.quality.metrics) if case.quality else 0
    height = 44.0 + (15.0 if gates > 8 else 26.0) * len(carpets)
    flagged = int(np.count_nonzero(~good))
    blocks: list[Block] = [
        Picture(
            timeline_figure(
                first_frame=signals.first_frame,
                displacement_mm=displacement,
                std_dvars=None if dvars is None else np.asarray(dvars)[-good.size :],
                good=good,
                carpets=tuple(carpets),
                networks=networks,
                limits=(limit_of(parameters, FD_KEYS), limit_of(parameters, DVARS_KEYS)),
                width_mm=180.0,
                height_mm=height,
            ),
            180.0,
            height,
            alt=(
                f"Framewise displacement and DVARS per frame; {flagged} of {good.size} frames "
                "flagged; carpets before and after cleaning."
            ),
            caption=(
                "FD: framewise displacement (Power). Shaded: "
                f"{flagged} of {good.size} frames flagged, replaced for continuity and not used "
                "for connectivity. Carpet: z-scored parcel rows, networks from top to bottom as "
                "listed, grey from "
                f"{wording.signed(-CARPET_LIMIT_SD, 0)} to {wording.signed(CARPET_LIMIT_SD, 0)} SD."
            ),
        )
    ]
    if few:
        blocks.append(Missing("Carpet after cleaning", few))
    elif len(carpets) < 2:
        blocks.append(Missing("Carpet", "The carpet files of this case are missing."))
    return blocks


def _table_note(case: Case) -> str:
    return "" if case.quality is None else f"table version {case.quality.table_version}"


def _gates(case: Case) -> Block:
    if case.quality is None:
        return Missing("Requirements", "The quality stage was not reached.")
    return Table(
        ("Requirement", "Value", "Limit", "Source of the limit", "Verdict"),
        tuple(
            (
                metric.label,
                wording.metric_value(metric),
                wording.limit_text(metric),
                metric.source,
                wording.VERDICT_WORDS[metric.verdict],
            )
            for metric in case.quality.metrics
        ),
        (3.6, 1.5, 2.9, 3.0, 1.1),
        "lrlll",
    )


def _registration(
    context: ReportContext, plan: tuple[tuple[str, float], ...], width_mm: float, height_mm: float
) -> list[Block]:
    view = context.view
    head = Heading("Registration")
    if view.template is None or view.boldref is None:
        return [head, Missing("Registration edges", "The template or reference file is missing.")]
    return [
        head,
        Picture(
            registration_edges(view, context.convention, plan, width_mm, height_mm),
            width_mm,
            height_mm,
            alt="The participant's mean volume with the template's outlines.",
            caption=(
                f"{context.convention}: {context.convention_meaning}. Grey: the participant's "
                f"reference volume in {view.template_name}; lines: the template's brain edge "
                "(amber, thick) and the edge of its bright tissue (blue, thin)."
            ),
        ),
    ]


def _likeness(case: Case) -> list[Block]:
    novelty = case.prediction.novelty if case.prediction else None
    if novelty is None:
        return [Heading("Likeness"), Text(wording.likeness_text(None))]
    return [
        Heading("Likeness to the training participants"),
        Picture(
            likeness_figure(novelty, 112.0, 16.5),
            112.0,
            16.5,
            alt=wording.likeness_text(novelty),
            caption=wording.likeness_text(novelty),
        ),
    ]


def severity_rank(finding: Finding) -> int:
    """Blocking first."""
    return (Severity.BLOCKING, Severity.WARNING, Severity.NOTE).index(finding.severity)
