"""Visits that somebody leaves out by hand, as words of a command and as pairs.

The window and the command line mean the same by them: such a visit takes no part, is counted as
excluded by hand, and is a deviation where it was there at the lock.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from app.cohort.learn.scans import PreparedScan
from app.core.errors import AppError

BY_HAND, NO_SCAN = "excluded by hand", "no prepared scan"
Visit = tuple[str, str]  # participant "sub-…" and session "ses-…"; session "" = every visit
_LABEL = re.compile(r"(?:sub-)?([A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?")


def visits_of(labels: Iterable[str]) -> tuple[Visit, ...]:
    """Visits by their labels: ``sub-01`` or ``01`` for all of a person, ``sub-01_ses-2`` for one.

    Raises
    ------
    AppError
        ``cohort.exclude`` for a label that is none.
    """
    found = []
    for label in labels:
        match = _LABEL.fullmatch(label)
        if match is None:
            raise AppError(
                f"'{label[:40]}' is no label of a participant or visit.",
                "Write it as sub-01, or as sub-01_ses-2 for one visit.",
                code="cohort.exclude",
            )
        found.append((f"sub-{match[1]}", match[2] or ""))
    return tuple(dict.fromkeys(found))


def labels_of(visits: Iterable[Visit]) -> list[str]:
    """The labels that `visits_of` reads back."""
    return ["_".join(part for part in one if part) for one in visits]


def known_visits(
    visits: Iterable[Visit], listed: Collection[Visit], sessions: bool
) -> tuple[Visit, ...]:
    """Those of people, or of visits where the table tells sessions, that the table lists."""
    people = {person for person, _ in listed}
    return tuple(
        (person, session)
        for person, session in visits
        if ((person, session) in listed if sessions and session else person in people)
    )


def refuse_unknown(visits: Sequence[Visit], listed: Collection[Visit], sessions: bool) -> None:
    """A misspelt exclusion would leave in whom it was to leave out.

    Raises
    ------
    AppError
        ``cohort.exclude``.
    """
    known = set(known_visits(visits, listed, sessions))
    for one in visits:
        if one not in known:
            raise AppError(
                f"'{labels_of([one])[0][:60]}' is to be left out, but is not in the table.",
                "Check the spelling: whoever is not found would silently take part.",
                code="cohort.exclude",
            )


def is_left_out(visit: Visit, by_hand: Collection[Visit]) -> bool:
    """Whether a visit, or its whole person, was excluded."""
    return visit in by_hand or (visit[0], "") in by_hand


def kept_scans(
    scans: Sequence[PreparedScan], by_hand: Collection[Visit]
) -> tuple[PreparedScan, ...]:
    """Scans whose visit nobody excluded."""
    return tuple(one for one in scans if not is_left_out((one.participant, one.session), by_hand))


def without_scan(
    wanted: Collection[Visit],
    scanned: Collection[Visit],
    by_hand: Collection[Visit],
    *,
    sessions: bool,
) -> list[tuple[str, str]]:
    """Participant and reason of each row without a scan, and of further visits that were excluded.

    Parameters
    ----------
    wanted, scanned
        Rows of the table, and rows that a scan is left for; without a session in a table that
        tells none.
    by_hand
        As the user named them.
    sessions
        Whether the table tells them.
    """
    chosen = [(person, session if sessions else "") for person, session in by_hand]
    found = [
        (key[0], BY_HAND if is_left_out(key, chosen) else NO_SCAN)
        for key in sorted(wanted)
        if key not in scanned
    ]
    return found + [(key[0], BY_HAND) for key in chosen if key in scanned and key in wanted]
