"""The PDF: reportlab sets the pages, matplotlib's vector figures are merged in, pypdf attaches.

The file is the same, byte for byte, for the same case and settings: no clock is read, no random
identifier is used, and neither author nor path stands in it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    StreamObject,
    TextStringObject,
)
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    PageBreak,
    PageTemplate,
    Spacer,
)

from app.core import wording
from app.core.colours import INK, MUTED, RULE, STAMP
from app.reporting.blocks import Section
from app.reporting.context import ReportContext
from app.reporting.flowables import (
    BOLD,
    REGULAR,
    Bookmark,
    Placement,
    Writer,
    paragraph,
    register_fonts,
    tint,
)
from app.reporting.footer import PageFacts, page_facts
from app.reporting.reading import ATTACHMENT, HASH_KEY
from app.reporting.record import record_bytes
from app.reporting.report import Told, silent
from app.reporting.theme import MM, figures_pdf

PDF_VERSION = "%PDF-1.7"  # transparency groups and the attachment are younger than reportlab's 1.3
PAPERS = {"A4": A4, "Letter": LETTER}
MARGIN = 15.0 * MM
HEADER_PT = 13.0 * MM
STAMP_PT = 6.2 * MM
FOOTER_PT = 13.0 * MM
ROOM_PT = 80.0 * MM  # below which a flowing section begins on the next page
SMALLER_PICTURES = (0.94, 0.88, 0.82, 0.76)  # still readable; what needs less runs on


class _PageOfPages(Canvas):  # type: ignore[misc]
    """Keeps all pages until the end, because each says how many there are."""

    facts: PageFacts  # set by `_canvas_for`

    def __init__(self, *args: Any, **options: Any) -> None:
        # reportlab would name Helvetica, which is never embedded, on every page
        super().__init__(*args, **(options | {"initialFontName": REGULAR}))
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 (reportlab's name)
        """Keep the page."""
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write header and footer on every page, then the file."""
        for number, state in enumerate(self._kept, start=1):
            self.__dict__.update(state)
            _frame(self, self.facts, number, len(self._kept))
            super().showPage()
        super().save()


def _frame(canvas: Canvas, facts: PageFacts, number: int, count: int) -> None:
    wide, tall = canvas._pagesize
    right = wide - MARGIN
    y = tall - 10.0 * MM
    canvas.setFont(BOLD, 9.5)
    canvas.setFillColor(tint(INK))
    canvas.drawString(MARGIN, y, facts.header)
    canvas.setFont(REGULAR, 8.2)
    canvas.setFillColor(tint(MUTED))
    told, page = f"Report {facts.report_id}", f"Page {number} of {count}"
    head = canvas.stringWidth(facts.header, BOLD, 9.5)
    if MARGIN + head < wide / 2 - canvas.stringWidth(told, REGULAR, 8.2):
        canvas.drawCentredString(wide / 2, y, told)
    else:  # a long header: everything else to the right of it
        page = f"{told}   {page}"
    canvas.drawRightString(right, y, page)
    canvas.setStrokeColor(tint(RULE))
    canvas.setLineWidth(0.6)
    canvas.line(MARGIN, y - 2.2 * MM, right, y - 2.2 * MM)
    top = y - 3.2 * MM
    for text in facts.stamps:
        top -= STAMP_PT - 0.8 * MM
        canvas.setFillColor(tint(STAMP))
        canvas.rect(MARGIN, top, right - MARGIN, STAMP_PT - 1.4 * MM, stroke=0, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.setFont(BOLD, 9.0)
        canvas.drawCentredString(wide / 2, top + 1.35 * MM, text)
    base = 11.5 * MM
    canvas.line(MARGIN, base + 3.6 * MM, right, base + 3.6 * MM)
    canvas.setFont(BOLD, 8.6)
    canvas.setFillColor(tint(INK))
    canvas.drawString(MARGIN, base, wording.RUO_LINE)
    canvas.setFont(REGULAR, 7.6)
    canvas.setFillColor(tint(MUTED))
    canvas.drawRightString(right, base, wording.NOT_A_DEVICE)
    canvas.setFont(REGULAR, 7.2)
    canvas.drawString(MARGIN, base - 3.8 * MM, wording.join(facts.footer))


def _canvas_for(facts: PageFacts) -> type[_PageOfPages]:
    return type("ReportCanvas", (_PageOfPages,), {"facts": facts})


def _pages(
    facts: PageFacts, sections: Sequence[Section], paper: tuple[float, float]
) -> tuple[bytes, list[Placement], dict[str, int]]:
    """Set the pages; figures are empty room whose places come back, and so do bookmarks."""
    register_fonts()
    placements: list[Placement] = []
    outline: dict[str, int] = {}
    buffer = io.BytesIO()
    wide, tall = paper
    top = HEADER_PT + 0.6 * MM + len(facts.stamps) * STAMP_PT
    document = BaseDocTemplate(
        buffer, pagesize=paper, invariant=1, title=facts.title, author="", subject=wording.RUO_LINE,
        creator="NeuroResponder", lang="en",
    )  # fmt: skip
    frame = Frame(
        MARGIN, FOOTER_PT + 3.5 * MM, wide - 2 * MARGIN, tall - top - FOOTER_PT - 3.5 * MM,
        leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0,
    )  # fmt: skip
    document.addPageTemplates([PageTemplate("page", [frame])])
    story: list[Flowable] = []
    for section in sections:
        if story:
            story += [Spacer(0, 5 * MM), CondPageBreak(ROOM_PT)] if section.flows else [PageBreak()]
        if facts.bookmarks:
            story.append(Bookmark(section.title, outline.setdefault))
        if section.flows:
            story += _section(section, Writer(placements.append), frame._aW)
        else:
            story += _fitted(section, placements.append, frame._aW, frame._aH)
    document.build(story, canvasmaker=_canvas_for(facts))
    return buffer.getvalue(), placements, outline


def _fitted(
    section: Section, told: Callable[[Placement], None], width: float, height: float
) -> list[Flowable]:
    """A section's flowables; its pictures a little smaller where it then ends on its page."""
    whole = _section(section, Writer(told), width)
    if _height(whole, width, height) <= height:
        return whole
    for scale in SMALLER_PICTURES:
        smaller = _section(section, Writer(told, scale), width)
        if _height(smaller, width, height) <= height:
            return smaller
    return whole


def _section(section: Section, writer: Writer, width: float) -> list[Flowable]:
    title = [paragraph(section.title, "title"), Spacer(0, 1.0 * MM)]
    story = [*title, *writer.flowables(section.blocks, width)]
    while isinstance(story[-1], Spacer):  # one that does not fit would make an empty page
        story.pop()
    return story


def _height(story: Sequence[Flowable], width: float, height: float) -> float:
    """Room that flowables take in a frame; the space before the first of a page does not count."""
    total = after = 0.0
    for number, flowable in enumerate(story):
        _, tall = flowable.wrap(width, height)
        before = flowable.getSpaceBefore() if number else 0.0
        total += tall + max(before - after, 0.0)  # as the frame does: spaces overlap
        after = flowable.getSpaceAfter()
        total += after
    return total


def _place_figures(writer: PdfWriter, placements: Sequence[Placement], told: Told) -> None:
    """Put each vector figure in its room, as a form of its own (nothing is re-encoded)."""
    if not placements:
        return
    source = PdfReader(
        io.BytesIO(figures_pdf([place.picture.figure for place in placements], told))
    )
    for number, (place, figure) in enumerate(zip(placements, source.pages, strict=True)):
        contents = figure.get_contents()
        form = StreamObject()
        form.set_data(b"" if contents is None else contents.get_data())
        box = figure.mediabox
        form.update(
            {
                NameObject("/Type"): NameObject("/XObject"),
                NameObject("/Subtype"): NameObject("/Form"),
                NameObject("/BBox"): ArrayObject([FloatObject(side) for side in box]),
                NameObject("/Resources"): figure["/Resources"].clone(writer),
                NameObject("/Group"): DictionaryObject(
                    {
                        NameObject("/Type"): NameObject("/Group"),
                        NameObject("/S"): NameObject("/Transparency"),
                        NameObject("/CS"): NameObject("/DeviceRGB"),
                    }
                ),
            }
        )
        name = f"/Figure{number}"
        page = writer.pages[place.page]
        resources: Any = page["/Resources"].get_object()
        forms = resources.setdefault(NameObject("/XObject"), DictionaryObject()).get_object()
        forms[NameObject(name)] = writer._add_object(form.flate_encode())
        scale = place.width / float(box.width)
        _append(
            writer,
            page,
            f"q {scale:.6f} 0 0 {scale:.6f} {place.x:.3f} {place.y:.3f} cm {name} Do Q\n",
        )


def _append(writer: PdfWriter, page: Any, operators: str) -> None:
    """Add drawing operators behind what a page already draws."""
    stream = StreamObject()
    stream.set_data(operators.encode("ascii"))
    old = page.get("/Contents")
    parts = list(old.get_object()) if isinstance(old.get_object(), ArrayObject) else [old]
    page[NameObject("/Contents")] = ArrayObject([*parts, writer._add_object(stream)])


def report_pdf(
    context: ReportContext, sections: Sequence[Section], paper: str = "A4", told: Told = silent
) -> bytes:
    """The finished participant summary: see `pages_pdf`."""
    return pages_pdf(page_facts(context), sections, paper, told)


def pages_pdf(
    facts: PageFacts, sections: Sequence[Section], paper: str = "A4", told: Told = silent
) -> bytes:
    """The finished file: pages, figures, attached record, metadata.

    Raises
    ------
    KeyError
        `paper` is not one of `PAPERS`.
    """
    pages, placements, outline = _pages(facts, sections, PAPERS[paper])
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pages)))
    told(0.3)
    _place_figures(writer, placements, lambda done: told(0.3 + 0.6 * done))
    for title, page in outline.items():
        writer.add_outline_item(title=title, page_number=page)
    record = record_bytes(facts.record)
    writer.add_attachment(ATTACHMENT, record)
    writer.metadata = None
    writer.add_metadata(
        {"/Title": facts.title, "/Subject": wording.RUO_LINE, "/Creator": "NeuroResponder",
         "/Producer": "NeuroResponder", HASH_KEY: hashlib.sha256(record).hexdigest()}
    )  # fmt: skip
    writer.pdf_header = PDF_VERSION
    writer.root_object[NameObject("/Lang")] = TextStringObject("en")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
