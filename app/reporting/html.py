"""The accessible twin of the PDF: the same sections as one self-contained HTML file.

Figures are embedded as pictures with text alternatives, tables have real header cells, the
language and the headings are marked up, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from app.core import wording
from app.core.colours import ACCENT, INK, MUTED, RULE, STAMP, Rgb
from app.core.results import Case
from app.core.signing import UNSIGNED, ReaderNote
from app.reporting.blocks import (
    Band,
    Block,
    Columns,
    Fields,
    Gap,
    Heading,
    Headline,
    Missing,
    Picture,
    Section,
    Table,
    Text,
    WriteIn,
)
from app.reporting.footer import PageFacts, page_facts
from app.reporting.privacy import without_paths
from app.reporting.record import record_bytes
from app.reporting.report import Told, prepare, sections_of, silent, write_whole
from app.reporting.theme import figure_png


def write_html(
    case: Case,
    case_folder: Path,
    out_html: Path,
    *,
    convention: str = wording.RADIOLOGICAL,
    printed_utc: str = "",
    note: ReaderNote = UNSIGNED,
    told: Told = silent,
) -> Path:
    """Write the participant summary as HTML; arguments and errors as `report.write_summary`."""
    context = prepare(case, case_folder, convention=convention, printed_utc=printed_utc, note=note)
    sections = sections_of(context, lambda done: told(0.5 * done))
    page = html_page(page_facts(context), sections, lambda done: told(0.5 + 0.5 * done))
    write_whole(out_html, page.encode("utf-8"))
    return out_html


def _css(colour: Rgb) -> str:
    return f"rgb({colour[0]},{colour[1]},{colour[2]})"


_STYLE = f"""
body{{font:16px/1.45 system-ui,sans-serif;color:{_css(INK)};background:#fff;max-width:62rem;
margin:0 auto;padding:1rem}}
header,footer{{color:{_css(MUTED)};border-bottom:1px solid {_css(RULE)};padding:.4rem 0}}
footer{{border:0;border-top:1px solid {_css(RULE)};margin-top:2rem}}
h1{{margin:.6rem 0}} h2{{margin:2rem 0 .5rem}} h3{{color:{_css(ACCENT)};margin:1.1rem 0 .3rem}}
.stamp,.band{{color:#fff;font-weight:600;text-align:center;padding:.35rem;margin:.4rem 0}}
.stamp{{background:{_css(STAMP)};position:sticky;top:0;z-index:1}} .band{{background:{_css(INK)}}}
.headline{{border-left:4px solid {_css(ACCENT)};background:#f3f6f9;padding:.6rem 1rem}}
.headline strong{{font-size:1.7rem;display:block}} .label,figcaption,caption{{color:{_css(MUTED)}}}
figure{{margin:.6rem 0}} img{{max-width:100%;height:auto}} figcaption,caption{{font-size:.9rem}}
caption{{caption-side:bottom;text-align:left}}
table{{border-collapse:collapse;width:100%;margin:.5rem 0}}
th,td{{text-align:left;vertical-align:top;padding:.2rem .5rem .2rem 0;
border-bottom:1px solid {_css(RULE)};overflow-wrap:anywhere}} .r{{text-align:right}}
.columns{{display:flex;flex-wrap:wrap;gap:1.5rem}} .columns>div{{flex:1 1 18rem;min-width:0}}
"""


def _words(text: str) -> str:
    return escape(without_paths(text))


def html_page(facts: PageFacts, sections: Sequence[Section], told: Told) -> str:
    """The whole file: header, stamps, sections, footer with the record as a download."""
    record = base64.b64encode(record_bytes(facts.record)).decode("ascii")
    stamps = "".join(f'<p class="stamp">{_words(text)}</p>' for text in facts.stamps)
    contents, body = "", ""
    for number, section in enumerate(sections):
        told(number / len(sections))
        place = f' id="section-{number}"' if facts.bookmarks else ""
        contents += f'<li><a href="#section-{number}">{_words(section.title)}</a></li>'
        body += (
            f"<section{place}><h2>{_words(section.title)}</h2>{_blocks(section.blocks)}</section>"
        )
    navigation = f'<nav aria-label="Contents"><ul>{contents}</ul></nav>' if facts.bookmarks else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_words(facts.title)}</title><style>{_STYLE}</style></head><body>"
        f"<header>{_words(facts.header)} · Report {facts.report_id}</header>{stamps}"
        f"<main><h1>{_words(facts.title)}</h1>{navigation}{body}</main>"
        f"<footer><p><strong>{wording.RUO_LINE}</strong>. {wording.NOT_A_DEVICE}</p>"
        f"<p>{_words(wording.join(facts.footer))}</p>"
        f'<p><a download="report.json" href="data:application/json;base64,{record}">'
        "Machine-readable record (JSON)</a></p></footer></body></html>\n"
    )


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Heading(text, note):
            small = f" <small>{_words(note)}</small>" if note else ""
            return f"<h3>{_words(text)}{small}</h3>"
        case Text(text, kind):
            inner = f"<strong>{_words(text)}</strong>" if kind == "strong" else _words(text)
            return f'<p class="{"label" if kind == "caption" else "text"}">{inner}</p>'
        case Band(text):
            return f'<p class="band">{_words(text)}</p>'
        case Headline(word, sentence, value, label):
            number = f'<span class="label">{_words(label)}</span><strong>{_words(value)}</strong>'
            return (
                f'<div class="headline"><strong>{_words(word)}</strong><p>{_words(sentence)}</p>'
                f"{number if value else ''}</div>"
            )
        case Fields(rows):
            cells = "".join(
                f'<tr><th scope="row">{_words(a)}</th><td>{_words(b)}</td></tr>' for a, b in rows
            )
            return f"<table>{cells}</table>"
        case Table():
            return _table(block)
        case Picture():
            return _figure(block)
        case Missing(what, reason):
            return f'<p class="label">{_words(what)}: not shown. {_words(reason)}</p>'
        case Columns(parts):
            inner = "".join(f"<div>{_blocks(part)}</div>" for part in parts)
            return f'<div class="columns">{inner}</div>'
        case WriteIn(rows):
            return "".join(f"<p>{_words(label)}: {_words(value)}</p>" for label, value in rows)
        case Gap():
            return ""


def _table(block: Table) -> str:
    align = block.align or "l" * len(block.header)
    kinds = ['class="r"' if side == "r" else "" for side in align]
    head = "".join(
        f'<th scope="col" {kind}>{_words(h)}</th>'
        for h, kind in zip(block.header, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td {kind}>{_words(c)}</td>" for c, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in block.rows
    )
    caption = f"<caption>{_words(block.caption)}</caption>" if block.caption else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(block: Picture) -> str:
    data = base64.b64encode(figure_png(block.figure)).decode("ascii")
    width = round(block.width_mm / 25.4 * 96 * 1.35)
    caption = f"<figcaption>{_words(block.caption)}</figcaption>" if block.caption else ""
    return (
        f'<figure><img alt="{_words(block.alt)}" width="{width}" '
        f'src="data:image/png;base64,{data}">{caption}</figure>'
    )
