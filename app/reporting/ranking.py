"""Which regions and connections moved the estimate most: lists for tables and the record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.core.colours import network_names
from app.core.explanation_health import ExplanationHealth
from app.core.explanation_lists import hatched, unlisted_connections
from app.core.results import Attribution, CleanSignals
from app.core.sides import side_word

TOP_COUNT = 10


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region; values in log-odds."""

    parcel: int  # 0-based, atlas order
    name: str
    hemisphere: str
    network: str
    scan: float  # (b) what in the scan mattered
    branches: float  # (a) what each branch used


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One connection; `scan` and `branches` are its whole share in log-odds."""

    first: str
    second: str
    first_network: str
    second_network: str
    scan: float
    branches: float
    correlation: float | None


def readable(name: str) -> str:
    """An atlas name for people: no underscores, no hemisphere suffix."""
    text = name.replace("_", " ").strip()
    return text[:-2] if text[-2:] in (" L", " R") else text


def network_sums(values: Floats, networks: tuple[str, ...]) -> tuple[tuple[str, float, float], ...]:
    """(network, sum of positive, sum of negative) of a per-parcel map; the two never cancel."""
    clean = np.nan_to_num(np.asarray(values, dtype=np.float64))
    member = np.array(networks)
    return tuple(
        (
            name,
            float(clean[(member == name) & (clean > 0)].sum()),
            float(clean[(member == name) & (clean < 0)].sum()),
        )
        for name in network_names(networks)
    )


def hemisphere_sums(
    values: Floats, hemispheres: tuple[str, ...]
) -> tuple[tuple[str, float, float], ...]:
    """("left", "right", …, positive, negative) of a per-parcel map; unknown sides stay unknown."""
    words = tuple(side_word(side) for side in hemispheres)
    found = {name: (up, down) for name, up, down in network_sums(values, words)}
    return tuple((name, *found[name]) for name in sorted(found))


def top_regions(
    attribution: Attribution,
    signals: CleanSignals,
    count: int = TOP_COUNT,
    health: ExplanationHealth | None = None,
) -> tuple[RegionRow, ...]:
    """Regions by magnitude of (b), without those that are hatched."""
    scan = np.nan_to_num(np.asarray(attribution.scan.per_parcel, dtype=np.float64))
    branches = np.nan_to_num(np.asarray(attribution.branches.per_parcel, dtype=np.float64))
    listed = (scan != 0.0) & ~hatched(attribution, health)
    order = [int(p) for p in np.argsort(-np.abs(scan), kind="stable") if listed[p]]
    return tuple(
        RegionRow(
            p,
            signals.parcel_names[p],
            signals.hemispheres[p],
            signals.networks[p],
            float(scan[p]),
            float(branches[p]),
        )
        for p in order[:count]
    )


def top_connections(
    attribution: Attribution,
    signals: CleanSignals,
    correlation: Floats | None,
    count: int = TOP_COUNT,
    health: ExplanationHealth | None = None,
) -> tuple[ConnectionRow, ...]:
    """Connections by magnitude of (b), without those that no list names."""
    scan = np.nan_to_num(np.asarray(attribution.scan.per_connection, dtype=np.float64))
    branches = np.nan_to_num(np.asarray(attribution.branches.per_connection, dtype=np.float64))
    first, second = np.triu_indices(scan.shape[0], 1)
    values, others = scan[first, second], branches[first, second]
    left_out = unlisted_connections(attribution, health)[first, second]
    usable = np.flatnonzero((values != 0.0) & ~left_out)
    order = usable[np.argsort(-np.abs(values[usable]), kind="stable")][:count]
    rows = []
    for pair in order:
        one, two = int(first[pair]), int(second[pair])
        measured = None if correlation is None else float(correlation[one, two])
        rows.append(
            ConnectionRow(
                signals.parcel_names[one],
                signals.parcel_names[two],
                signals.networks[one],
                signals.networks[two],
                float(values[pair]),
                float(others[pair]),
                measured,
            )
        )
    return tuple(rows)
