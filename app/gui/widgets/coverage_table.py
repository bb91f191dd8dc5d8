"""One row a parcel: name, network, share covered; sorted by any of them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject

from app.core.results import CleanSignals
from app.gui.widgets.parcel_table import ParcelTable
from app.preprocessing.quality import PARCEL_COVERAGE_LIMIT

COLUMNS = ("Region", "Network", "Covered")


class CoverageTable(ParcelTable):
    """Parcels in atlas order with the share of their points that is covered."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent)

    def show_case(self, signals: CleanSignals | None) -> None:
        """Fill the table."""
        self.beginResetModel()
        self._signals = signals
        self.endResetModel()

    def value(self, parcel: int, column: str, *, sort: bool) -> Any:
        """The share, to read or to sort by."""
        assert self._signals is not None
        share = float(self._signals.coverage[parcel])
        return share if sort else share_text(share)


def share_text(share: float) -> str:
    """Such as "62 %", "41 %, below half", "missing"; a gap never rounds to 100 %."""
    if share <= 0.0:
        return "missing"
    words = f"{min(round(100.0 * share), 99 if share < 1.0 else 100)} %"
    return f"{words}, below half" if share < PARCEL_COVERAGE_LIMIT else words
