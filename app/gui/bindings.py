"""Which keys do what: each binding has a name, words and keys that the user can change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QKeyCombination, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence

EVERYWHERE = ""
_FORMAT = QKeySequence.SequenceFormat
_HELD = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


@dataclass(frozen=True, slots=True)
class Binding:
    """Something that can be done, and the keys that do it unless the user chose others.

    `name` is stable, such as "slices.seed". `keys` is portable text such as "Ctrl+Shift+N"; several
    are separated by "; ". `where` is the title of the view in which they act, or `EVERYWHERE`.
    """

    name: str
    words: str
    keys: str = ""
    help: str = ""
    where: str = EVERYWHERE


class KeyMap(QObject):
    """The user's keys for the bindings, on top of the delivered ones.

    Parameters
    ----------
    chosen
        Name of a binding -> keys that the user chose; "" for none.
    single_keys
        Whether single letters act in views.

    `right_drag` says what the right button does in slices: "window" (window and level) or "zoom".
    """

    changed = Signal()

    def __init__(
        self,
        chosen: Mapping[str, str] | None = None,
        *,
        single_keys: bool = True,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.chosen = dict(chosen or {})
        self.single_keys = single_keys
        self.right_drag = "window"

    def set_chosen(self, chosen: Mapping[str, str], *, single_keys: bool) -> None:
        """Take over what the settings say."""
        if dict(chosen) != self.chosen or single_keys != self.single_keys:
            self.chosen, self.single_keys = dict(chosen), single_keys
            self.changed.emit()

    def keys(self, binding: Binding) -> str:
        """The keys of a binding as portable text, whether they act now or not."""
        return self.chosen.get(binding.name, binding.keys)

    def sequences(self, binding: Binding) -> list[QKeySequence]:
        """The keys that act now."""
        found = parsed(self.keys(binding))
        return [one for one in found if self.single_keys or not is_single(one)]

    def shown(self, binding: Binding) -> str:
        """The keys as this system writes them."""
        return QKeySequence.listToString(self.sequences(binding), _FORMAT.NativeText)

    def matches(self, binding: Binding, event: QKeyEvent) -> bool:
        """Whether a key press or release is one of the binding's keys."""
        pressed = QKeySequence(event.keyCombination())
        return pressed in self.sequences(binding)


def is_single(sequence: QKeySequence) -> bool:
    """Whether it is one printable key without Ctrl, Alt or Meta; Shift alone does not help."""
    if sequence.count() != 1:
        return False
    combination: QKeyCombination = sequence[0]  # type: ignore[index]
    printable = 0x20 <= combination.key().value < 0x01000000
    return printable and not combination.keyboardModifiers() & _HELD


def parsed(keys: str) -> list[QKeySequence]:
    """The keys of portable text; what is none is left out."""
    found = QKeySequence.listFromString(keys, _FORMAT.PortableText)
    return [one for one in found if not one.isEmpty()]


def normal(keys: str) -> str:
    """Portable text of keys, written one way."""
    return QKeySequence.listToString(parsed(keys), _FORMAT.PortableText)


def refusal(keys: str, wanted: Binding, bindings: Iterable[Binding], keymap: KeyMap) -> str:
    """One sentence that says why keys cannot be given to a binding; "" where they can."""
    asked = {one.toString() for one in parsed(keys)}
    for text in sorted(asked):
        if wanted.where == EVERYWHERE and is_single(QKeySequence(text)):
            return (
                f"{text} alone cannot be a key of the whole window: it would act while you type. "
                "Add Ctrl or Alt."
            )
    for other in bindings:
        apart = EVERYWHERE not in (other.where, wanted.where) and other.where != wanted.where
        if other.name == wanted.name or apart:
            continue
        for sequence in parsed(keymap.keys(other)):
            if sequence.toString() in asked:
                place = f" in {other.where}" if other.where else ""
                return (
                    f"{sequence.toString(_FORMAT.NativeText)} already does "
                    f"\N{LEFT DOUBLE QUOTATION MARK}{other.words}\N{RIGHT DOUBLE QUOTATION MARK}"
                    f"{place}. Change that one first."
                )
    return ""
