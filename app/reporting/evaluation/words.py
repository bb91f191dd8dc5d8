"""Every word of a report's sections, for comparing what was written with what was meant."""

from __future__ import annotations

from collections.abc import Sequence

from app.reporting.blocks import (
    Block,
    Columns,
    Fields,
    Heading,
    Headline,
    Missing,
    Picture,
    Section,
    Table,
    Text,
)


def sections_text(sections: Sequence[Section]) -> list[str]:
    """Every word of the sections in reading order, for comparing what was written."""
    found: list[str] = []
    for section in sections:
        found.append(section.title)
        found += _texts(section.blocks)
    return [text for text in found if text]


def _texts(blocks: Sequence[Block]) -> list[str]:
    found: list[str] = []
    for block in blocks:
        match block:
            case Heading(text, note):
                found += [text, note]
            case Text(text):
                found.append(text)
            case Headline(word, sentence, value, label):
                found += [word, sentence, value, label]
            case Missing(what, reason):
                found.append(f"{what}: not shown. {reason}")
            case Fields(rows):
                found += [text for row in rows for text in row]
            case Table(header, rows, _, _, caption):
                found += [*header, *(cell for row in rows for cell in row), caption]
            case Picture(_, _, _, _, caption):
                found.append(caption)
            case Columns(parts):
                for part in parts:
                    found += _texts(part)
            case _:
                pass
    return found
