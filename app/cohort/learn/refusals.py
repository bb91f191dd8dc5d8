"""What makes a cohort impossible to learn from, each with one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.cohort.learn.participants_table import ParticipantsTable
from app.cohort.learn.plan import Plan
from app.cohort.learn.scans import PreparedScan
from app.core.arrays import Floats
from app.core.errors import AppError


def refuse_mixtures(scans: Sequence[PreparedScan], plan: Plan) -> None:
    """One atlas, preset, repetition time and number of parcels, and those of the plan.

    Raises
    ------
    AppError
        ``cohort.mixed``.
    """
    for what, values, planned in (
        ("atlas", {one.atlas for one in scans}, plan.recipe.atlas),
        ("preset", {one.preset for one in scans}, plan.recipe.preset),
    ):
        if len(values) > 1:
            raise _mixed(f"the {what}: {', '.join(sorted(values))}")
        if values != {planned}:
            raise AppError(
                f"The scans were prepared with the {what} '{min(values)}', the plan says "
                f"'{planned}'.",
                "Run the recipe with the plan's settings, or correct the plan before it is locked.",
                code="cohort.mixed",
            )
    if len({one.simulated for one in scans}) > 1:
        raise _mixed("whether anybody was scanned: simulated people stand beside real ones")
    if len({one.atlas_sha256 for one in scans} - {""}) > 1:
        raise _mixed("the edition of the atlas")
    if len({one.connectivity.shape for one in scans}) > 1:
        raise _mixed("the number of parcels")
    times = sorted({round(one.repetition_time_s, 3) for one in scans})
    if times[-1] - times[0] > 0.01:
        raise _mixed(f"the repetition time: {times[0]:g} to {times[-1]:g} s")


def _mixed(what: str) -> AppError:
    return AppError(
        f"The scans of the cohort differ in {what}.",
        "Prepare all of them in one way; a model learns one recipe.",
        code="cohort.mixed",
    )


def refuse_arms(arms: Sequence[str], plan: Plan) -> None:
    """People of several arms are judged together only where the plan models a control arm.

    Raises
    ------
    AppError
        ``cohort.arms``.
    """
    found = sorted(set(arms))
    if len(found) > 1 and not plan.treatment.control_arm_modelled:
        raise AppError(
            f"People of {len(found)} arms would be pooled: {', '.join(one[:30] for one in found)}.",
            "Select one arm (select, --select); or plan treatment.control_arm_modelled = true.",
            code="cohort.arms",
        )


def refuse_definitions(table: ParticipantsTable, plan: Plan, rows: list[dict[str, str]]) -> None:
    """A table that names its definition names one, and the plan's.

    Raises
    ------
    AppError
        ``cohort.definition``.
    """
    column = table.column_of("definition", plan)
    if column is None:
        return
    found = sorted({" ".join(row[column].split()).casefold() for row in rows if row[column]})
    if len(found) > 1:
        raise AppError(
            f"The table mixes {len(found)} responder definitions: '{found[0][:40]}' and "
            f"'{found[1][:40]}' among them.",
            "Select the rows of one definition; they are never pooled.",
            code="cohort.definition",
        )
    wanted = " ".join(plan.responder.definition.split()).casefold()
    if found and found[0] != wanted:
        raise AppError(
            f"The table's responder definition is '{found[0][:60]}', the plan's '{wanted[:60]}'.",
            "Correct the one that is wrong.",
            code="cohort.definition",
        )


def refuse_off_scale(
    plan: Plan, values: Floats, baseline: Floats | None, keys: Sequence[tuple[str, str]]
) -> None:
    """Scores lie on the stated scale.

    Parameters
    ----------
    keys
        (row,) participant and session of each score, so that the first one off it is named.

    Raises
    ------
    AppError
        ``cohort.table``.
    """
    wanted = plan.outcome
    low, high = wanted.lowest, wanted.highest
    scores = [(wanted.column, values)] if wanted.kind == "post" else []
    if baseline is not None and wanted.baseline_column is not None:
        scores.append((wanted.baseline_column, baseline))
    for column, one in scores:
        off = np.zeros(len(one), np.bool_)
        off |= False if low is None else one < low
        off |= False if high is None else one > high
        if off.any():
            where = " ".join(part for part in keys[int(np.flatnonzero(off)[0])] if part)
            more = int(off.sum()) - 1
            others = f" and {more} more" if more else ""
            ends = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
            raise AppError(
                f"A score lies outside the scale of {ends.strip()}: column '{column[:60]}', row of "
                f"{where[:60]}{others}.",
                "Check units and columns: a score out of 100 is not one out of 10.",
                code="cohort.table",
            )
