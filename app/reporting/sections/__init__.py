"""The report's sections in reading order: each is ``build(context) -> Section | None``."""

from __future__ import annotations

from collections.abc import Callable

from app.reporting.blocks import Section
from app.reporting.context import ReportContext
from app.reporting.sections import explanation, health, model, quality, summary

SECTIONS: tuple[Callable[[ReportContext], Section | None], ...] = (
    summary.build,
    explanation.build,
    health.build,
    quality.build,
    model.build,
)
