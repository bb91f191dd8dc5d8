"""What `encode` tells while it works and about its scans: shares of stages, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectome.parcel_tables import KEYS, SeriesFile

if TYPE_CHECKING:
    from app.models.encoders import LoadedEncoder
    from app.models.input_contract import Windows

UNTIL_OPEN = {"read": 0.2, "open": 3.0}
CPU_OPERATIONS_PER_S = 2e10  # for the time left only: two cores, order of magnitude


def stage_weights(
    spent_s: dict[str, float], encoder: LoadedEncoder, scans: list[Windows], orders: int
) -> dict[str, float]:
    """Shares of the stages, in the unit in which those before were counted."""
    tensors = [*encoder.module.parameters(), *encoder.module.buffers()]
    values = sum(tensor.numel() for tensor in tensors)
    passes = sum(len(windows.values) for windows in scans) * (
        orders if encoder.order_matters else 1
    )
    seconds = 2.0 * values * encoder.token_count * passes / CPU_OPERATIONS_PER_S
    unit_s = max(sum(spent_s.values()), 0.01) / sum(UNTIL_OPEN.values())
    return {**UNTIL_OPEN, "encode": seconds / unit_s, "write": 0.02 * seconds / unit_s}


def scan_notes(scans: list[Windows]) -> list[str]:
    """Notes on scans; one that does not hold for all says which (numbers from 1)."""
    holders: dict[str, list[int]] = {}
    for number, windows in enumerate(scans, start=1):
        for note in windows.notes:
            holders.setdefault(note, []).append(number)
    told = []
    for note, numbers in holders.items():
        which = f"Scan {', '.join(map(str, numbers))}: " if len(numbers) < len(scans) else ""
        told.append(which + note)
    return told


def unknown_keys_note(file: SeriesFile) -> list[str]:
    """What of an npz was not read; nothing where all was."""
    if not file.unknown_keys:
        return []
    shown = ", ".join(ascii(name[:40]) for name in file.unknown_keys[:3])
    return [f"Keys of the npz that are not known were not used: {shown}. Known: {', '.join(KEYS)}."]
