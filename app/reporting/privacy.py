"""What may leave in a report: no withheld number, no path."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from app.core.results import Case, Outcome

_PATH = re.compile(
    r"""(?<![\w/.:])(?:file:///?|~[\\/]|[A-Za-z]:[\\/]|\\\\|/)[^\s'",;()<>|]+""", re.IGNORECASE
)
REMOVED = "[path removed]"


def without_paths(text: str) -> str:
    """Replace anything that looks like an absolute path on a machine."""
    return _PATH.sub(REMOVED, text)


def with_short_paths(text: str) -> str:
    """Replace each absolute path by its last name: readable, and silent about the machine."""
    return _PATH.sub(lambda found: re.split(r"[\\/]", found[0].rstrip("\\/"))[-1], text)


def scrubbed(value: Any) -> Any:
    """The same JSON-able value with `without_paths` applied to every string in it."""
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, dict):
        return {without_paths(str(key)): scrubbed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrubbed(item) for item in value]
    return value


def reportable(case: Case) -> Case:
    """The case without any number that a withheld outcome hides, and without its explanation.

    Everything downstream sees only this case, so a withheld number cannot slip into a figure,
    a table or the attachment. A case computed by override (`research_only`) keeps its numbers
    and is stamped.
    """
    prediction = case.prediction
    if prediction is None:
        return replace(case, attribution=None, health=None, sensitivity=None)
    if prediction.outcome is not Outcome.WITHHELD or prediction.research_only:
        return case
    bare = replace(
        prediction,
        probability=None,
        interval=None,
        log_odds=None,
        log_odds_windows=None,
        covariate_probability=None,
        contributions=None,
        conformal=None,
    )
    return replace(case, prediction=bare, attribution=None, health=None, sensitivity=None)
