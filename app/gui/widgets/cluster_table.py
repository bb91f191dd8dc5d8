"""Connected clusters of a layer as rows for Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from app.attribution.clusters import NEIGHBOURS, Cluster
from app.core import wording
from app.gui.widgets.parcel_table import SORT_ROLE

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("#", "Region", "Peak", "Mean", "Voxels", "mm³", "x", "y", "z")
TIPS = {
    "#": "Rank by the magnitude of the peak",
    "Region": "Parcel at the peak",
    "Peak": "Value of largest magnitude",
    "Mean": "Mean of the cluster's voxels",
    "Voxels": f"Voxels that are connected ({NEIGHBOURS} neighbours); signs stay apart",
    "mm³": "Volume",
}
_ROOT = QModelIndex()


@dataclass(frozen=True, slots=True)
class NamedCluster:
    """A cluster with the name of the parcel at its peak."""

    cluster: Cluster
    region: str

    def values(self) -> tuple[Any, ...]:
        """What stands in each column, to sort by."""
        found = self.cluster
        return (
            found.number,
            self.region,
            found.peak,
            found.mean,
            found.voxels,
            found.volume_mm3,
            *found.peak_mm,
        )

    def words(self) -> tuple[str, ...]:
        """What is read in each column."""
        found = self.cluster
        return (
            str(found.number),
            self.region,
            wording.signed(found.peak, 3),
            wording.signed(found.mean, 3),
            str(found.voxels),
            f"{found.volume_mm3:.0f}",
            *(f"{value:.0f}".replace("-", "\N{MINUS SIGN}") for value in found.peak_mm),
        )


class ClusterTable(QAbstractTableModel):
    """One row a cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.clusters: tuple[NamedCluster, ...] = ()

    def show_clusters(self, clusters: tuple[NamedCluster, ...]) -> None:
        """Take over other clusters."""
        self.beginResetModel()
        self.clusters = clusters
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        """One row a cluster."""
        return 0 if parent.isValid() else len(self.clusters)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """As many as there are names."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Names of the columns and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return TIPS.get(COLUMNS[section]) if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words to read, values to sort by."""
        if not index.isValid():
            return None
        found = self.clusters[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return found.words()[index.column()]
        if role == SORT_ROLE:
            value = found.values()[index.column()]
            # Peaks and means are ranked by how strong they are, not by their sign.
            return abs(value) if COLUMNS[index.column()] in ("Peak", "Mean") else value
        if role == Qt.ItemDataRole.TextAlignmentRole:
            left = COLUMNS[index.column()] == "Region"
            side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None
