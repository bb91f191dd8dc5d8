"""One small case and its folder for all tests of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.results import Case
from app.reporting.report import write_summary
from tests.unit.reporting.small_case import small_case, withheld, write_view


@pytest.fixture(scope="session")
def case() -> Case:
    return small_case()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("CANARYFOLDER")
    write_view(place)
    return place


@pytest.fixture(scope="session")
def result_pdf(case: Case, folder: Path) -> Path:
    return write_summary(case, folder, folder / "result.pdf")


@pytest.fixture(scope="session")
def withheld_pdf(case: Case, folder: Path) -> Path:
    return write_summary(withheld(case), folder, folder / "withheld.pdf")
