"""Which regions and connections a list of an explanation may name: one rule for all of them.

What is hatched is in no list: regions where the two methods disagree or whose value is unstable
over repeats. Of connections those are left out whose share has opposite signs in both methods, or
is unstable.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools
from app.core.explanation_health import ExplanationHealth
from app.core.results import Attribution

DISAGREES, UNSTABLE = "\N{NOT EQUAL TO}", "~"  # marks beside a value
REGIONS_RULE = (
    "Regions where (a) and (b) disagree, or that are unstable, are hatched, have no rank and are "
    "in no list of the largest."
)
CONNECTIONS_RULE = (
    "Connections of opposite sign in (a) and (b), or that are unstable, are in no list of the "
    "largest."
)
ALL_LISTED = "All are listed, hatched ones too."


def hatched(attribution: Attribution, health: ExplanationHealth | None) -> Bools:
    """(parcel,) what every picture hatches and no list names: disagreeing, or unstable."""
    apart = np.asarray(attribution.disagreeing, np.bool_)
    return apart if health is None else np.asarray(apart | health.unstable)


def opposite_connections(attribution: Attribution) -> Bools:
    """(parcel, parcel) where a share has another sign in (a) than in (b); 0 in one alone counts."""
    scan = np.nan_to_num(np.asarray(attribution.scan.per_connection))
    branches = np.nan_to_num(np.asarray(attribution.branches.per_connection))
    return np.asarray(np.sign(scan) != np.sign(branches))


def unlisted_connections(attribution: Attribution, health: ExplanationHealth | None) -> Bools:
    """(parcel, parcel) what no list of connections names."""
    apart = opposite_connections(attribution)
    return apart if health is None else np.asarray(apart | health.unstable_connections)
