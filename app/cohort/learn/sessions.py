"""One visit a person: scans of several time points are never pooled, nor is anybody counted twice.

Which visit lies before treatment is for people to say: in the plan (``[scan] session``), or in a
table with one selected row a person that names the session.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from app.cohort.learn.plan import Plan
from app.cohort.learn.scans import PreparedScan
from app.core.errors import AppError
from app.core.wording import counted

NO_PLANNED_SESSION = "no scan of the planned session"
BY_PLAN, BY_TABLE, BY_NOBODY = "plan", "table", "nobody"
Visit = tuple[str, str]  # participant and session, "" where there is none


def of_planned_session(
    scans: Sequence[PreparedScan], plan: Plan
) -> tuple[tuple[PreparedScan, ...], tuple[PreparedScan, ...]]:
    """Scans of the plan's session, and all others; the plan that names none takes every scan."""
    wanted = plan.scan.label
    if not wanted:
        return tuple(scans), ()
    mine = tuple(one for one in scans if one.session == wanted)
    if scans and not mine:
        raise AppError(
            f"No scan is of the session {wanted} that the plan names; the scans are of "
            f"{_named({one.session for one in scans})}.",
            "Correct [scan] session before the plan is locked.",
            code="cohort.sessions",
        )
    return mine, tuple(one for one in scans if one.session != wanted)


def is_planned(session: str, plan: Plan) -> bool:
    """Whether a row of the table with this session ("" = it tells none) is of the plan's visit."""
    return not plan.scan.label or session in ("", plan.scan.label)


def why_not_taken(scan: PreparedScan, selected: Collection[Visit]) -> str:
    """Why a scan without a selected row takes no part."""
    if all(person != scan.participant for person, _ in selected):
        return "not selected by the plan"
    if not scan.session:
        return "the scan names no session, the table does"
    return "the scan's session is not among the selected rows"


def refuse_sessions(
    scans: Sequence[PreparedScan], selected: Collection[Visit], plan: Plan, *, told: bool
) -> None:
    """Refuse more than one session a person, and different ones that nobody named.

    Parameters
    ----------
    scans
        Those whose row takes part, before their quality is looked at.
    selected
        The table's rows that take part.
    told
        Whether the table tells sessions.

    Raises
    ------
    AppError
        ``cohort.sessions``, naming the sessions and nobody.
    """
    of_person = defaultdict[str, list[str]](list)
    for one in scans:
        of_person[one.participant].append(one.session)
    several = sum(len(sessions) > 1 for sessions in of_person.values())
    sessions = {one.session for one in scans}
    if not several and len(sessions) < 2:
        return
    rows = Counter(person for person, _ in selected)
    if not several and told and max(rows.values()) == 1:
        return  # one row a person, which names the visit
    also = ", or select the rows of one visit ([select])" if told else ""
    who = (
        f"{counted(several, 'participant')} would count more than once"
        if several
        else "neither plan nor table says which is meant"
    )
    raise AppError(
        f"Scans of {len(sessions)} sessions would be pooled ({_named(sessions)}): {who}.",
        f'Name the one before treatment in the plan, under [scan] as session = "ses-…"{also}; '
        "time points are never pooled.",
        code="cohort.sessions",
    )


def named_by(plan: Plan, *, told: bool) -> str:
    """Who says which visit's scans take part."""
    return BY_PLAN if plan.scan.label else BY_TABLE if told else BY_NOBODY


def _named(sessions: Collection[str]) -> str:
    shown = [one or "no session" for one in sorted(sessions)]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")
