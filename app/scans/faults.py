"""Faults at the door: collected all at once, then raised as one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import ScanError

EXPORT_AGAIN = "Export or copy the file again from the scanner or archive, then open it again."


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason why a file cannot be used as a scan."""

    code: str
    message: str
    hint: str = EXPORT_AGAIN

    def error(self) -> ScanError:
        """The same as an error that can be raised."""
        return ScanError(self.message, self.hint, code=self.code)


def raise_all(faults: Sequence[Fault]) -> None:
    """Raise one `ScanError` that tells every fault; the first gives code and hint."""
    if not faults:
        return
    message = faults[0].message
    if len(faults) > 1:
        message += " Also: " + " ".join(fault.message for fault in faults[1:])
    raise ScanError(message, faults[0].hint, code=faults[0].code)
