"""Connections in the report have the size that the case holds: each counted once."""

from __future__ import annotations

import pytest

from app.core.results import Case
from app.reporting.ranking import top_connections


def test_that_a_connection_is_written_with_its_own_value(case: Case) -> None:
    assert case.attribution is not None
    assert case.signals is not None
    rows = top_connections(case.attribution, case.signals, None, 3)
    assert rows
    names = case.signals.parcel_names
    for row in rows:
        i, j = names.index(row.first), names.index(row.second)
        assert row.scan == pytest.approx(case.attribution.scan.per_connection[i, j])
        assert row.branches == pytest.approx(case.attribution.branches.per_connection[i, j])
