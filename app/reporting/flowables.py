"""Blocks as reportlab flowables: one small function a kind of block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, Spacer
from reportlab.platypus import Table as Grid

from app.core.colours import ACCENT, INK, MUTED, RULE, Rgb
from app.core.resources import resource_path
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
    Table,
    Text,
    WriteIn,
)
from app.reporting.privacy import without_paths
from app.reporting.theme import BODY_PT, FONT_FILES, MM, SMALL_PT, unit

REGULAR, BOLD, ITALIC = "Report", "Report-Bold", "Report-Italic"
GUTTER_PT = 4.0 * MM


def tint(colour: Rgb) -> Color:
    """A reportlab colour."""
    return Color(*unit(colour))


def _grid(rows: list[list[Any]], *, style: list[Any], **options: Any) -> Flowable:
    """A grid that names the bundled typeface even where a cell is empty (else Helvetica)."""
    font = ("FONTNAME", (0, 0), (-1, -1), REGULAR)
    return Grid(rows, style=[font, *style], **options)


def register_fonts() -> None:
    """Make the bundled typeface known; doing it again changes nothing."""
    known = set(pdfmetrics.getRegisteredFontNames())
    for name, file in FONT_FILES.items():
        if name not in known:
            pdfmetrics.registerFont(TTFont(name, str(resource_path("fonts", file))))


def style(kind: str, **changes: Any) -> ParagraphStyle:
    """Paragraph style of a kind of text."""
    base: dict[str, Any] = {
        "fontName": REGULAR, "fontSize": BODY_PT, "leading": BODY_PT * 1.28,
        "textColor": tint(INK), "splitLongWords": 1,
    }  # fmt: skip
    kinds: dict[str, dict[str, Any]] = {
        "body": {},
        "lead": {"fontSize": 9.6, "leading": 12.6, "spaceBefore": 2, "spaceAfter": 2},
        "strong": {"fontName": BOLD},
        "caption": {"fontSize": SMALL_PT, "leading": SMALL_PT * 1.25, "textColor": tint(MUTED)},
        "heading": {
            "fontName": BOLD, "fontSize": 10.2, "leading": 12.6, "textColor": tint(ACCENT),
            "spaceBefore": 1.2 * MM, "spaceAfter": 0.5 * MM, "keepWithNext": 1,
        },
        "title": {"fontName": BOLD, "fontSize": 15.0, "leading": 18.0},
        "label": {"fontSize": SMALL_PT, "leading": SMALL_PT * 1.25, "textColor": tint(MUTED)},
        "value": {"fontSize": 8.2, "leading": 10.1},
        "cell": {"fontSize": SMALL_PT, "leading": SMALL_PT * 1.2},
        "head": {"fontName": BOLD, "fontSize": SMALL_PT, "leading": SMALL_PT * 1.2},
        "band": {
            "fontName": BOLD, "fontSize": 10.0, "leading": 12.4, "alignment": TA_CENTER,
            "textColor": Color(1, 1, 1),
        },
        "word": {"fontName": BOLD, "fontSize": 16.0, "leading": 19.0},
        "number": {"fontName": BOLD, "fontSize": 16.0, "leading": 19.0, "alignment": TA_RIGHT},
    }  # fmt: skip
    return ParagraphStyle(kind, **{**base, **kinds[kind], **changes})


def paragraph(text: str, kind: str, **changes: Any) -> Paragraph:
    """Text as a paragraph, with paths removed and markup characters escaped."""
    return Paragraph(escape(without_paths(text)), style(kind, **changes))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a vector figure goes: page from 0, lower left corner and size in points."""

    page: int
    x: float
    y: float
    width: float
    height: float
    picture: Picture


class PictureSlot(Flowable):  # type: ignore[misc]
    """Keeps the room of a figure and tells where it lies; the figure is merged in afterwards."""

    def __init__(self, picture: Picture, told: Callable[[Placement], None], scale: float) -> None:
        super().__init__()
        self.picture, self.told = picture, told
        self.width = picture.width_mm * MM * scale
        self.height = picture.height_mm * MM * scale

    def wrap(self, _available_width: float, _available_height: float) -> tuple[float, float]:
        """Size in points."""
        return self.width, self.height

    def draw(self) -> None:
        """Tell the place; nothing is drawn yet."""
        x, y = self.canv.absolutePosition(0, 0)
        page = self.canv.getPageNumber() - 1
        self.told(Placement(page, x, y, self.width, self.height, self.picture))


class Bookmark(Flowable):  # type: ignore[misc]
    """Tells on which page (from 0) it stands, for the file's outline; takes no room."""

    def __init__(self, title: str, told: Callable[[str, int], object]) -> None:
        super().__init__()
        self.title, self.told = title, told

    def wrap(self, _available_width: float, _available_height: float) -> tuple[float, float]:
        """Nothing is drawn."""
        return 0.0, 0.0

    def draw(self) -> None:
        """Tell the page."""
        self.told(self.title, self.canv.getPageNumber() - 1)


@dataclass(frozen=True, slots=True)
class Writer:
    """Turns blocks into flowables of a given width."""

    told: Callable[[Placement], None]
    picture_scale: float = 1.0  # below 1 where a section would just miss its page

    def flowables(self, blocks: Sequence[Block], width: float) -> list[Flowable]:
        """Flowables of the blocks, in order; `width` in points."""
        result: list[Flowable] = []
        for block in blocks:
            result += self._of(block, width)
        return result

    def _of(self, block: Block, width: float) -> list[Flowable]:
        match block:
            case Heading(text, note):
                small = f'<font name="{REGULAR}" size="{SMALL_PT}" color="#586270">'
                extra = f" {small}{escape(note)}</font>" if note else ""
                line = Paragraph(escape(text) + extra, style("heading"))
                return [line]
            case Text(text, kind):
                return [paragraph(text, kind), Spacer(0, 0.7 * MM)]
            case Band(text):
                return [_band(text, width), Spacer(0, 1.8 * MM)]
            case Headline():
                return [_headline(block, width), Spacer(0, 0.8 * MM)]
            case Fields():
                return [_fields(block, width), Spacer(0, 1.0 * MM)]
            case Table():
                return _table(block, width)
            case Picture():
                return self._picture(block, width)
            case Missing(what, reason):
                return [paragraph(f"{what}: not shown. {reason}", "caption"), Spacer(0, MM)]
            case Columns():
                return [self._columns(block, width)]
            case WriteIn():
                return [_write_in(block, width)]
            case Gap(height_mm):
                return [Spacer(0, height_mm * MM)]

    def _picture(self, block: Picture, width: float) -> list[Flowable]:
        scale = self.picture_scale * min(1.0, width / (block.width_mm * MM))
        slot = PictureSlot(block, self.told, scale)
        slot.hAlign = "CENTER" if slot.width < width - 1 else "LEFT"
        if not block.caption:
            return [slot, Spacer(0, 0.8 * MM)]
        slot.keepWithNext = 1  # its caption never stands alone on the next page
        return [slot, paragraph(block.caption, "caption"), Spacer(0, 1.0 * MM)]

    def _columns(self, block: Columns, width: float) -> Flowable:
        room = width - GUTTER_PT * (len(block.parts) - 1)
        shares = [room * share / sum(block.widths) for share in block.widths]
        cells = [
            self.flowables(part, share) for part, share in zip(block.parts, shares, strict=True)
        ]
        widths = [
            share + (GUTTER_PT if i < len(shares) - 1 else 0) for i, share in enumerate(shares)
        ]
        last = len(cells) - 1
        commands: list[Any] = [
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), GUTTER_PT),
            ("RIGHTPADDING", (last, 0), (last, 0), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
        return _grid([cells], colWidths=widths, style=commands, hAlign="LEFT")


def _band(text: str, width: float) -> Flowable:
    commands = [
        ("BACKGROUND", (0, 0), (-1, -1), tint(INK)),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]
    return _grid([[paragraph(text, "band")]], colWidths=[width], style=commands)


def _headline(block: Headline, width: float) -> Flowable:
    cells = [[paragraph(block.word, "word"), paragraph(block.sentence, "body")]]
    right = [paragraph(block.label, "label", alignment=TA_RIGHT)] if block.label else []
    row = [cells[0], [*right, paragraph(block.value, "number")] if block.value else ""]
    commands: list[Any] = [
        ("LINEBEFORE", (0, 0), (0, 0), 2.5, tint(ACCENT)),
        ("BACKGROUND", (0, 0), (-1, -1), tint((243, 246, 249))),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("LEFTPADDING", (0, 0), (0, 0), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    share = 0.48 if block.value else 0.98
    return _grid([row], colWidths=[width * share, width * (1 - share)], style=commands)


def _fields(block: Fields, width: float) -> Flowable:
    """Label above nothing: label left, value right, in equal columns filled row by row."""
    columns = block.columns
    one = width / columns
    usual = min(max(0.30 * one, 26 * MM), 34 * MM) if columns < 3 else 0.36 * one
    label = block.label_share * one if block.label_share else usual
    rows: list[list[Any]] = []
    for start in range(0, len(block.rows), columns):
        row: list[Any] = []
        for name, value in block.rows[start : start + columns]:
            row += [paragraph(name, "label"), paragraph(value, "value")]
        rows.append(row + [""] * (2 * columns - len(row)))
    commands: list[Any] = [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ("TOPPADDING", (0, 0), (-1, -1), 0.7),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.3),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, tint(RULE)),
    ]
    return _grid(rows, colWidths=[label, one - label] * columns, style=commands, hAlign="LEFT")


def _table(block: Table, width: float) -> list[Flowable]:
    total = sum(block.widths)
    align = block.align or "l" * len(block.header)
    sides = {"l": 0, "c": 1, "r": 2}
    rows: list[list[Any]] = [
        [paragraph(h, "head", alignment=sides[a]) for h, a in zip(block.header, align, strict=True)]
    ]
    rows += [
        [paragraph(c, "cell", alignment=sides[a]) for c, a in zip(row, align, strict=True)]
        for row in block.rows
    ]
    commands: list[Any] = [
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.0),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, tint(MUTED)),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, tint(RULE)),
    ]
    grid = _grid(
        rows, colWidths=[width * w / total for w in block.widths], style=commands, repeatRows=1,
        hAlign="LEFT",
    )  # fmt: skip
    result: list[Flowable] = [grid]
    if block.caption:
        result += [Spacer(0, 0.6 * MM), paragraph(block.caption, "caption")]
    return [*result, Spacer(0, 1.0 * MM)]


def _write_in(block: WriteIn, width: float) -> Flowable:
    """The comment over the whole width, then the others side by side."""
    (first, comment), *rest = block.rows
    one = width / max(len(rest), 1)
    rows: list[list[Any]] = [
        [[paragraph(f"{first}:", "label"), paragraph(comment, "body")]] + [""] * (len(rest) - 1)
    ]
    rows.append([paragraph(f"{label}:   {value}", "label") for label, value in rest])
    commands: list[Any] = [
        ("SPAN", (0, 0), (-1, 0)),
        ("NOSPLIT", (0, 0), (-1, -1)),  # a signature never stands apart from its comment
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, tint(MUTED)),
        ("LINEBELOW", (0, 1), (-1, 1), 0.5, tint(MUTED)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("BOTTOMPADDING", (0, 0), (-1, 0), 4 if comment else 14),
        ("BOTTOMPADDING", (0, 1), (-1, 1), 5),
    ]
    return _grid(rows, colWidths=[one] * len(rest), style=commands, hAlign="LEFT")
