"""What the user prefers: it holds at once and is saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.core.errors import StorageError
from app.core.settings import Settings, save_settings
from app.gui.messages import Messages
from app.gui.session import Session


class Preferences(QObject):
    """Keeps `Settings` and what follows from them in the session."""

    said = Signal(str)  # one short sentence for the banner
    settings_changed = Signal()

    def __init__(
        self, session: Session, messages: Messages, settings: Settings, parent: QObject | None
    ) -> None:
        super().__init__(parent)
        self.session, self.messages, self.settings = session, messages, settings
        session.set_display(
            theme=settings.theme,
            convention="radiological" if settings.radiological else "neurological",
            nose=settings.sagittal_nose,
        )
        self._apply()

    def set_theme(self, theme: str) -> None:
        """ "system", "dark" or "light"."""
        self.session.set_display(theme=theme)
        self._save(replace(self.settings, theme=theme))

    def set_convention(self, convention: str) -> None:
        """ "radiological" or "neurological", for the whole application."""
        self.session.set_display(convention=convention)
        self._save(
            replace(self.settings, radiological=convention == "radiological", convention_asked=True)
        )
        self.said.emit(f"{self.session.display.convention_word} convention")

    def set_nose(self, nose: str) -> None:
        """Where the nose points in sagittal slices."""
        self.session.set_display(nose=nose)
        self._save(replace(self.settings, sagittal_nose=nose))

    def set_keys(self, name: str, keys: str | None) -> None:
        """Keys of a binding, as portable text; None for the delivered ones."""
        others = {key: value for key, value in self.settings.keys.items() if key != name}
        self.change_setting("keys", others if keys is None else {**others, name: keys})

    def change_setting(self, name: str, value: Any) -> None:
        """Change one field of `Settings`; it holds at once and is saved."""
        if name == "theme":
            self.set_theme(value)
        elif name == "radiological":
            self.set_convention("radiological" if value else "neurological")
        elif name == "sagittal_nose":
            self.set_nose(value)
        else:
            self._save(replace(self.settings, **{name: value}))

    def reset_settings(self) -> None:
        """Everything as it was delivered."""
        usual = Settings(convention_asked=self.settings.convention_asked)
        self.session.set_display(
            theme=usual.theme,
            convention="radiological" if usual.radiological else "neurological",
            nose=usual.sagittal_nose,
        )
        self._save(usual)

    def _apply(self) -> None:
        wanted = self.settings.research_mode and not self.settings.clinic_mode
        self.session.set_research_wanted(wanted)
        self.session.keys.right_drag = self.settings.right_drag
        self.session.keys.set_chosen(self.settings.keys, single_keys=self.settings.single_keys)

    def _save(self, settings: Settings) -> None:
        self.settings = settings
        self._apply()
        self.settings_changed.emit()
        try:
            save_settings(settings)
        except StorageError as error:
            self.messages.tell(error)
