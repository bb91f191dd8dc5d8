"""Which connections are shown: one list for matrix, ring, surface and table.

Everything follows from the session: its case, what the matrix shows (`display.matrix`) and the
threshold (`plots`). A list is computed once and shared until one of these changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from app.connectome.orders import Edges, strongest_edges
from app.core import wording
from app.core.arrays import Bools, Floats
from app.core.colours import (
    CORRELATION_LIMIT,
    ROBUST_PERCENTILE,
    MagnitudeScale,
    SignedScale,
    signed_scale,
)
from app.core.explanation_lists import opposite_connections, unlisted_connections
from app.core.explanation_wording import titled
from app.gui.session import OpenCase, Session

KINDS = {
    "correlation": "Pearson correlation",
    "scan": "Attribution (b)",
    "branches": "Attribution (a)",
}
GRAM_TITLE = "Gram, raw units"
DEFAULT_COUNT = 100  # drawn as curves where no threshold is set: all of them are no picture
MOST = 2000  # more curves than this are neither drawn nor listed


@dataclass(frozen=True, slots=True)
class Shown:
    """The connections of one matrix that are drawn as curves and listed."""

    kind: str  # a key of KINDS
    matrix: Floats  # (parcel, parcel), atlas order
    edges: Edges
    scale: SignedScale | MagnitudeScale
    unit: str  # "r", "log-odds" or "" (Gram)
    thresholded: bool  # by the user; otherwise the matrix shows all of them
    over: int  # connections over the threshold, of which at most MOST are in `edges`
    unstable: Bools | None = None  # (edge,) below the stability limit; None: not computed
    opposite: Bools | None = None  # (edge,) of other sign in the other method; None: measured
    baseline: str = ""  # of attribution (b), where it is not the answer's own

    @property
    def doubtful(self) -> Bools | None:
        """(edge,) what the lists name only at the user's wish: unstable, or of opposite sign."""
        if self.unstable is None or self.opposite is None:
            return self.opposite if self.unstable is None else self.unstable
        return np.asarray(self.unstable | self.opposite)

    @property
    def words(self) -> str:
        """Such as "20 of 90525 connections, |r| ≥ 0.612"."""
        count, total = len(self.edges), self.edges.total
        if not count:
            return f"0 of {total} connections are over the threshold"
        limit = value_text(self.edges.limit, self.unit).lstrip("+")
        least = f"|{self.unit or 'value'}| ≥ {limit}"
        capped = f", strongest {count} of {self.over} over it" * (self.over > count)
        free = "" if self.thresholded else "strongest "
        return f"{free}{count} of {total} connections, {least}{capped}"


def value_text(value: float, unit: str) -> str:
    """A signed value of a connection in as many digits as its unit needs."""
    if unit == "":
        return f"{value:.4g}"
    return wording.signed(value, 3 if unit == "r" else 5)


def is_gram(opened: OpenCase | None) -> bool:
    """Whether the case's connectivity is no correlation."""
    found = opened.case.connectome if opened is not None else None
    return found is not None and found.kind == "gram"


def matrix_title(opened: OpenCase | None, kind: str) -> str:
    """What a matrix of that kind is called; with the baseline of `opened`, where it has one."""
    if kind == "scan" and opened is not None:
        return titled(KINDS[kind], opened.baseline)
    return GRAM_TITLE if kind == "correlation" and is_gram(opened) else KINDS[kind]


def matrix_of(opened: OpenCase | None, kind: str) -> Floats | None:
    """(parcel, parcel) in atlas order; None where it was not computed or is withheld."""
    if opened is None:
        return None
    if kind == "correlation":
        connectome = opened.case.connectome
        none = connectome is None or not np.isfinite(connectome.matrix).any()
        return None if none or connectome is None else np.asarray(connectome.matrix)
    found = opened.attribution
    if found is None:
        return None
    return np.asarray((found.scan if kind == "scan" else found.branches).per_connection)


def no_connectivity(session: Session) -> str:
    """Why the case that is open has no connectivity although it was measured; "" if it has."""
    opened = session.case
    if opened is None or session.display.matrix != "correlation":
        return ""
    return opened.not_cleaned


def unit_of(kind: str, *, gram: bool) -> str:
    """Of the values of a matrix; "" for Gram's scanner units."""
    if kind != "correlation":
        return "log-odds"
    return "" if gram else "r"


def scale_of(matrix: Floats, kind: str, *, gram: bool) -> SignedScale | MagnitudeScale:
    """Correlation from -1 to 1, attributions symmetric and robust, Gram from 0 by percentile."""
    if kind != "correlation":
        found = signed_scale(matrix, top_share=1.0)
        return SignedScale(found.limit, 0.0, found.unit)
    if not gram:
        return SignedScale(CORRELATION_LIMIT, 0.0, "r")
    magnitude = np.abs(matrix[np.isfinite(matrix)])
    limit = float(np.percentile(magnitude, ROBUST_PERCENTILE)) if magnitude.size else 1.0
    return MagnitudeScale(limit or 1.0, GRAM_TITLE)


def matrix_case(session: Session, kind: str) -> OpenCase | None:
    """The case whose matrix of a kind is drawn: another baseline changes attribution (b) only."""
    return session.drawn if kind == "scan" else session.case


_Key = tuple[int, str, float, int, bool]
_SHOWN: WeakKeyDictionary[Session, tuple[_Key, OpenCase, Shown | None]] = WeakKeyDictionary()


def shown_connections(session: Session) -> Shown | None:
    """The connections that are shown now; None where there is no matrix."""
    plots, kind = session.state.plots, session.display.matrix
    opened = matrix_case(session, kind)
    if opened is None:
        return None
    correlation = kind == "correlation"
    threshold = plots.threshold if correlation else plots.attribution_threshold
    unstable_too = session.state.explain.show_unstable
    key = (id(opened), kind, threshold, plots.edge_count, unstable_too)
    held = _SHOWN.get(session)
    if held is None or held[0] != key or held[1] is not opened:
        held = (key, opened, _shown(opened, kind, threshold, plots.edge_count, unstable_too))
        _SHOWN[session] = held
    return held[2]


def _shown(
    opened: OpenCase, kind: str, threshold: float, count: int, unstable_too: bool
) -> Shown | None:
    matrix = matrix_of(opened, kind)
    if matrix is None:
        return None
    gram = kind == "correlation" and is_gram(opened)
    unit = unit_of(kind, gram=gram)
    found = None if kind == "correlation" else opened.attribution
    health = None if found is None else opened.health
    listed = matrix
    if found is not None and not unstable_too:
        listed = np.where(unlisted_connections(found, health), 0.0, matrix)
    if count:
        edges = strongest_edges(listed, count=min(count, MOST))
    elif threshold > 0.0:
        edges = strongest_edges(listed, count=MOST, least=threshold)
    else:
        edges = strongest_edges(listed, count=DEFAULT_COUNT)
    over = len(edges)
    if threshold > 0.0 and not count and over == MOST:
        upper = np.abs(np.nan_to_num(listed[np.triu_indices(len(listed), 1)]))
        over = int((upper >= threshold).sum())
    scale = scale_of(matrix, kind, gram=gram)
    unstable = opposite = None
    if health is not None:
        unstable = health.unstable_connections[edges.first, edges.second]
    if found is not None:
        opposite = opposite_connections(found)[edges.first, edges.second]
    by_user = bool(count or threshold > 0.0)
    return Shown(
        kind, matrix, edges, scale, unit, by_user, over, unstable, opposite, opened.baseline
    )
