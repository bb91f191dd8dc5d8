"""What makes a cohort impossible to learn from, each with one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.cohort.learn.participants_table import ParticipantsTable
from app.cohort.learn.plan import Plan
from app.cohort.learn.scans import PreparedScan
from app.core.arrays import Bools, Floats
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
    """People of several arms are judged together only where the plan names the control arm.

    Raises
    ------
    AppError
        ``cohort.arms``.
    """
    found, control = sorted(set(arms)), plan.arms.control
    named = ", ".join(one[:30] or "(none)" for one in found)
    if control is not None and (control not in found or len(found) < 2):
        raise AppError(
            f"The plan names the control arm '{control[:30]}'; the people who take part are of: "
            f"{named}.",
            "Correct [arms] control (--control-arm) or the selection: people of that arm and of "
            "another are needed.",
            code="cohort.arms",
        )
    if len(found) > 1 and control is None:
        raise AppError(
            f"People of {len(found)} arms would be pooled: {named}.",
            "Select one arm (select, --select); or name the control arm ([arms] control, "
            "--control-arm), and the score is told as prognostic.",
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


def refuse_one_class(labels: Bools, plan: Plan) -> None:
    """Both classes are needed, and an outcome at all.

    Raises
    ------
    AppError
        ``cohort.classes``.
    """
    count, responders = len(labels), int(labels.sum())
    if not count:
        raise AppError(
            f"The outcome is known of nobody: '{plan.outcome.column[:60]}' gives no response by "
            f"'{plan.definition.text[:60]}' in any row that takes part.",
            "Every person needs one row that holds both the scan's visit and the outcome after "
            "treatment.",
            code="cohort.classes",
        )
    if responders in (0, count):
        only = "a responder" if responders else "a non-responder"
        raise AppError(
            f"Everybody ({count} people) is {only} by '{plan.definition.text[:60]}'.",
            "Check definition and column; both classes are needed.",
            code="cohort.classes",
        )
