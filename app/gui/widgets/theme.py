"""Colours of the two themes, as tokens; palettes and the style sheet are made from them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from app.core.resources import resource_path


@dataclass(frozen=True, slots=True)
class Tokens:
    """Named colours; text tokens reach 4.5:1 on `window` and `surface`."""

    dark: bool
    window: str
    surface: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    done: str
    attention: str
    blocked: str
    strip: str
    on_strip: str
    grid: str


DARK = Tokens(
    dark=True,
    window="#12161b",
    surface="#1a2027",
    raised="#242c35",
    border="#36414d",
    text="#e8ecf1",
    muted="#a3b0bd",
    accent="#5fb0ee",
    on_accent="#08131c",
    done="#74c997",
    attention="#e6b655",
    blocked="#f0907a",
    strip="#453708",
    on_strip="#ffe09a",
    grid="#36414d",
)
LIGHT = Tokens(
    dark=False,
    window="#eef1f4",
    surface="#ffffff",
    raised="#f5f7f9",
    border="#ccd4dc",
    text="#17202a",
    muted="#53606d",
    accent="#1565a8",
    on_accent="#ffffff",
    done="#1e7044",
    attention="#855600",
    blocked="#a83a22",
    strip="#fff0c2",
    on_strip="#4f3a00",
    grid="#d5dce3",
)


def wants_dark(choice: str) -> bool:
    """Whether a theme choice ("system", "dark", "light") means the dark one now."""
    if choice == "system":
        return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return choice == "dark"


def tokens(palette: QPalette) -> Tokens:
    """The token set that a widget's palette was made from."""
    return DARK if palette.color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def apply_theme(application: QApplication, choice: str) -> Tokens:
    """Give the application the palette and style sheet of a theme choice."""
    chosen = DARK if wants_dark(choice) else LIGHT
    application.setPalette(_palette(chosen))
    application.setStyleSheet(_style_sheet(chosen))
    return chosen


def text_scale() -> float:
    """How large the application's text is beside the system's: 1.5 for a text size of 150 %."""
    application = QApplication.instance()
    usual = application.property("usualPointSize") if application is not None else None
    if not isinstance(application, QApplication) or not isinstance(usual, float):
        return 1.0
    return application.font().pointSizeF() / usual


def scaled(at_usual_size: float) -> int:
    """Pixels of what grows with the text: signs, boxes to tick, rows, axes."""
    return round(at_usual_size * text_scale())


def apply_text_size(application: QApplication, percent: int) -> bool:
    """Give the application text of a share of the system's size; tells whether that changed it."""
    usual = application.property("usualPointSize")
    if not isinstance(usual, float):
        usual = application.font().pointSizeF()
        application.setProperty("usualPointSize", usual)
    wanted = QFont(application.font())
    wanted.setPointSizeF(usual * percent / 100.0)
    if abs(wanted.pointSizeF() - application.font().pointSizeF()) < 0.01:
        return False
    application.setFont(wanted)
    return True


def font(base: QFont, *, scale: float = 1.0, bold: bool = False) -> QFont:
    """A copy of a font, scaled; sizes follow the user's own text size."""
    made = QFont(base)
    if base.pointSizeF() > 0:
        made.setPointSizeF(base.pointSizeF() * scale)
    else:
        made.setPixelSize(round(base.pixelSize() * scale))
    made.setBold(bold)
    return made


def _palette(t: Tokens) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for key, colour in {
        role.Window: t.window,
        role.WindowText: t.text,
        role.Base: t.surface,
        role.AlternateBase: t.raised,
        role.Text: t.text,
        role.Button: t.raised,
        role.ButtonText: t.text,
        role.BrightText: t.text,
        role.ToolTipBase: t.raised,
        role.ToolTipText: t.text,
        role.PlaceholderText: t.muted,
        role.Highlight: t.accent,
        role.HighlightedText: t.on_accent,
        role.Link: t.accent,
        role.Light: t.raised,
        role.Midlight: t.border,
        role.Mid: t.border,
        role.Dark: t.border,
        role.Shadow: "#000000",
    }.items():
        palette.setColor(key, QColor(colour))
    disabled = QPalette.ColorGroup.Disabled
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(disabled, key, QColor(t.muted))
    return palette


def _style_sheet(t: Tokens) -> str:
    tick = resource_path("icons", "tick-dark.svg" if t.dark else "tick-light.svg").as_posix()
    box, sign = scaled(13), scaled(12)
    return f"""
    QToolButton::menu-indicator {{ image: none; }}
    QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: 2px 4px; }}
    QToolButton:hover {{ border-color: {t.border}; background: {t.raised}; }}
    QToolButton:focus {{ border: 2px solid {t.accent}; padding: 1px 3px; }}
    QComboBox:focus, QAbstractSpinBox:focus {{ border: 2px solid {t.accent}; border-radius: 4px; }}
    QTreeView::item, QUndoView::item {{ padding: 3px 2px; }}
    QTreeView, QUndoView {{ background: {t.surface}; border: 1px solid {t.border}; }}
    QTableView:focus, QTreeView:focus, QListView:focus {{ border: 1px solid {t.accent}; }}
    QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border};
        padding: 4px; }}
    QWidget#panel {{ background: {t.surface}; border: 1px solid {t.border};
        border-radius: 6px; }}
    QWidget#sidebar {{ background: {t.surface}; border-right: 1px solid {t.border}; }}
    QLabel#strip {{ background: {t.strip}; color: {t.on_strip}; padding: 4px 12px;
        font-weight: 700; }}
    QWidget#rule {{ background: {t.border}; }}
    QLabel#sign {{ color: {t.attention}; border: 2px solid {t.attention}; border-radius: {sign}px;
        min-width: {2 * sign - 4}px; max-width: {2 * sign - 4}px;
        min-height: {2 * sign - 4}px; max-height: {2 * sign - 4}px; font-weight: 700; }}
    QCheckBox::indicator, QTableView::indicator, QListView::indicator {{
        width: {box}px; height: {box}px; border: 1px solid {t.muted}; border-radius: 3px;
        background: {t.raised}; }}
    QCheckBox::indicator:checked, QTableView::indicator:checked,
    QListView::indicator:checked {{ background: {t.accent}; border-color: {t.accent};
        image: url({tick}); }}
    QCheckBox:focus {{ color: {t.accent}; }}
    QLabel#cover {{ background: {t.surface}; color: {t.muted}; border-radius: 6px; }}
    QLabel#muted {{ color: {t.muted}; }}
    QLabel#title {{ font-weight: 600; }}
    QLabel#stamp {{ color: {t.attention}; }}
    QPushButton {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border};
        border-radius: 4px; padding: 5px 12px; min-height: 1em; }}
    QPushButton:hover {{ border-color: {t.accent}; }}
    QPushButton:focus {{ border: 2px solid {t.accent}; padding: 4px 11px; }}
    QPushButton:disabled {{ color: {t.muted}; background: {t.surface}; }}
    QPushButton#primary {{ background: {t.accent}; color: {t.on_accent};
        border-color: {t.accent}; font-weight: 600; }}
    QPushButton#primary:focus {{ border: 2px solid {t.text}; }}
    QPushButton#primary:disabled {{ background: {t.raised}; color: {t.muted};
        border-color: {t.border}; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QLineEdit {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border};
        border-radius: 4px; padding: 2px 6px; min-height: 1.15em; }}
    QLineEdit:focus {{ border-color: {t.accent}; }}
    QLineEdit[refused="true"] {{ border: 2px solid {t.blocked}; }}
    QLabel#muted[refused="true"] {{ color: {t.blocked}; }}
    QTableView {{ background: {t.surface}; alternate-background-color: {t.raised};
        gridline-color: {t.border}; border: 0; }}
    QHeaderView::section {{ background: {t.surface}; color: {t.muted}; border: 0;
        border-bottom: 1px solid {t.border}; padding: 3px 6px; }}
    QTabWidget::pane {{ border: 0; }}
    QTabBar {{ qproperty-drawBase: 0; }}
    QTabBar::tab {{ background: transparent; color: {t.muted}; border: 0;
        border-bottom: 2px solid transparent; padding: 4px 8px; }}
    QTabBar::tab:selected {{ color: {t.text}; font-weight: 600;
        border-bottom: 2px solid {t.accent}; }}
    QTabBar::tab:focus {{ color: {t.accent}; }}
    QProgressBar {{ background: {t.raised}; border: 1px solid {t.border}; border-radius: 4px;
        text-align: center; color: {t.text}; max-height: 10px; }}
    QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
    QSplitter::handle {{ background: transparent; }}
    QScrollArea {{ border: 0; background: transparent; }}
    QMenuBar {{ background: {t.surface}; border-bottom: 1px solid {t.border}; }}
    QMenuBar::item:selected, QMenu::item:selected {{ background: {t.accent};
        color: {t.on_accent}; }}
    QMenu {{ background: {t.surface}; border: 1px solid {t.border}; }}
    QMenu::item {{ padding: 4px 24px; }}
    QMenu::item:disabled {{ color: {t.muted}; }}
    QMenu::separator {{ height: 1px; background: {t.border}; margin: 4px 8px; }}
    """
