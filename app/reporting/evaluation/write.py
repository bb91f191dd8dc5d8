"""Writes the report of an evaluation: PDF, HTML, tables, figures and the command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from app import __version__
from app.core.provenance import record_sha256
from app.reporting.blocks import Block, Columns, Picture, Section
from app.reporting.evaluation.facts import (
    EvaluationFacts,
    LearningCurve,
    PlainTable,
    metric_of,
    record_of,
)
from app.reporting.evaluation.sections import EVALUATION_SECTIONS, result_lines
from app.reporting.footer import PageFacts
from app.reporting.privacy import scrubbed
from app.reporting.record import record_bytes
from app.reporting.report import Told, made_folder, silent, write_whole
from app.reporting.theme import drawing_style, figure_png

SIMULATED_COHORT = "SIMULATED PEOPLE, SIMULATED TREATMENT"
REQUIRED = ("Treatment", "Responder definition", "Time point", "Population", "Estimand")


def page_facts_of(facts: EvaluationFacts) -> PageFacts:
    """What stands on each page."""
    record = scrubbed(record_of(facts) | {"result": result_lines(facts)})
    digest = record_sha256(record)
    stamps: tuple[str, ...] = (SIMULATED_COHORT,) if facts.simulated else ()
    stamps += (facts.condition.upper(),) if facts.condition else ()
    return PageFacts(
        title=f"NeuroResponder {facts.title}",
        header=facts.subject,
        footer=(
            f"NeuroResponder {__version__}",
            f"plan {facts.plan.sha256[:12]}" if facts.plan and facts.plan.sha256 else "no plan",
            f"JSON {digest[:8]}",
            facts.finished_utc,
        ),
        stamps=stamps,
        report_id=digest[:12],
        record=record,
        bookmarks=True,
    )


def sections_of_evaluation(facts: EvaluationFacts, told: Told = silent) -> tuple[Section, ...]:
    """All sections that this evaluation has.

    Raises
    ------
    ValueError
        The question lacks one of `REQUIRED`.
    """
    stated = {name for name, text in facts.question if text.strip()}
    for name in REQUIRED:
        if name not in stated:
            raise ValueError(f"an evaluation without '{name}' gets no report")
    with drawing_style():
        built = []
        for number, build in enumerate(EVALUATION_SECTIONS):
            told(number / len(EVALUATION_SECTIONS))
            built.append(build(facts))
    return tuple(section for section in built if section is not None)


def write_evaluation(
    facts: EvaluationFacts, folder: Path, *, paper: str = "A4", told: Told = silent
) -> tuple[Path, ...]:
    """Write everything into a folder and say what was written.

    Parameters
    ----------
    folder
        Is made; receives ``report.pdf``, ``report.html``, ``report.json``, ``metrics.tsv``, one
        TSV a table, ``figures/*.png`` and ``command.txt``. No score of a person is among them.
    told
        Told the fraction done; may raise to cancel.

    Raises
    ------
    StorageError
        A file cannot be written; older ones are untouched.
    ValueError
        As `sections_of_evaluation`.
    """
    from app.reporting.html import html_page
    from app.reporting.pdf import pages_pdf

    sections = sections_of_evaluation(facts, lambda done: told(0.2 * done))
    page = page_facts_of(facts)
    pdf = pages_pdf(page, sections, paper, lambda done: told(0.2 + 0.3 * done))
    html = html_page(page, sections, lambda done: told(0.5 + 0.2 * done))
    pictures = tuple(_pictures(sections))
    images = {f"figures/{name}.png": figure_png(picture.figure) for name, picture in pictures}
    told(0.9)
    contents: dict[str, bytes] = {
        "report.pdf": pdf,
        "report.html": html.encode("utf-8"),
        "report.json": record_bytes(page.record),
        "metrics.tsv": metrics_tsv(facts).encode("utf-8"),
        "command.txt": (facts.command + "\n").encode("utf-8"),
        **{f"{slug(one.title)}.tsv": table_tsv(one).encode("utf-8") for one in _tables(facts)},
        **images,
    }
    made_folder(folder / "figures")
    for name, content in contents.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in contents)


def slug(text: str) -> str:
    """A file name of a title."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "table"


def metrics_tsv(facts: EvaluationFacts) -> str:
    """One row a model and metric: value and interval, the difference beside."""
    lines = ["\t".join(("id", "label", "role", "metric", "value", "low", "high", "failed"))]
    for one in facts.competitors:
        estimates = dict(one.estimates)
        if one.difference is not None and facts.headline is not None:
            estimates[f"main_minus_this_{facts.headline.metric}"] = one.difference
        if one.responder_difference is not None:
            estimates[f"main_minus_this_{facts.group_metric}"] = one.responder_difference
        for name, figure in estimates.items():
            numbers = [_cell(v) for v in (figure.value, figure.low, figure.high)]
            lines.append("\t".join((one.id, one.label, one.role, name, *numbers, "")))
        if one.failed:
            lines.append(
                "\t".join((one.id, one.label, one.role, "", "", "", "", _flat(one.failed)))
            )
    return "\n".join(lines) + "\n"


def table_tsv(table: PlainTable) -> str:
    """A table as it stands in the report, without thousands or units of its own."""
    lines = ["\t".join(_flat(cell) for cell in table.header)]
    lines += ["\t".join(_flat(cell) for cell in row) for row in table.rows]
    return "\n".join(lines) + "\n"


def _tables(facts: EvaluationFacts) -> tuple[PlainTable, ...]:
    parts = (facts.definitions, facts.change_table, facts.screening, facts.conformal)
    more = [one for one in parts if one is not None]
    return (*facts.tables, *more, *_curves(facts))


def _curves(facts: EvaluationFacts) -> Iterator[PlainTable]:
    """What the figures are drawn from."""
    if facts.calibration is not None:
        plot = facts.calibration
        rows = zip(plot.predicted, plot.observed, plot.low, plot.high, plot.counts, strict=True)
        yield _numbers("Calibration", ("predicted", "observed", "low", "high", "people"), rows)
    if facts.decision is not None:
        curve = facts.decision
        header = ("threshold", "everybody", *(label for label, _ in curve.curves))
        rows = zip(
            curve.thresholds, curve.treat_all, *(values for _, values in curve.curves), strict=True
        )
        yield _numbers("Decision curve", header, rows)
    for title, curves, metric in (
        ("Learning curve", facts.learning, facts.group_metric),
        ("Learning curve of the change", facts.change_learning, "r2"),
    ):
        if curves:
            yield _learning(title, curves, metric_of(metric).label)


def _learning(title: str, curves: tuple[LearningCurve, ...], label: str) -> PlainTable:
    found = [
        (one.label, *(_cell(float(v)) for v in row))
        for one in curves
        for row in zip(one.people, one.values, one.low, one.high, strict=True)
    ]
    return PlainTable(title, ("model", "training people", label, "low", "high"), tuple(found))


def _numbers(title: str, header: tuple[str, ...], rows: Iterator[tuple[float, ...]]) -> PlainTable:
    return PlainTable(title, header, tuple(tuple(_cell(float(v)) for v in row) for row in rows))


def _cell(value: float | None) -> str:
    if value is None or value != value:
        return "n/a"
    return f"{value:.6g}"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _pictures(sections: tuple[Section, ...]) -> Iterator[tuple[str, Picture]]:
    number = 0

    def walk(blocks: tuple[Block, ...]) -> Iterator[Picture]:
        for block in blocks:
            if isinstance(block, Picture):
                yield block
            elif isinstance(block, Columns):
                for part in block.parts:
                    yield from walk(part)

    for section in sections:
        for picture in walk(section.blocks):
            number += 1
            title = picture.figure.axes[0].get_title(loc="left") or section.title
            yield f"{number:02d}-{slug(title)[:40]}", picture
