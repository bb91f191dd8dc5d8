"""Where names of networks stand beside a matrix: at their own rows, or nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A name's middle lies at least this share of its height inside its rows: two thirds of the name
# then stand beside them, and none seems to belong to the rows next to them.
_INSIDE = 0.35


@dataclass(frozen=True, slots=True)
class NameBand:
    """The rows of a network in pixels along the matrix."""

    name: str
    begin: float
    end: float

    @property
    def middle(self) -> float:
        """Where the name stands best."""
        return (self.begin + self.end) / 2.0


def bands_seen(
    blocks: Sequence[tuple[str, int, int]], low: float, high: float, scale: float
) -> list[NameBand]:
    """What is seen of (name, first row, row after the last) between two rows, in pixels."""
    seen = [(name, max(first, low), min(after, high)) for name, first, after in blocks]
    return [NameBand(n, (a - low) * scale, (b - low) * scale) for n, a, b in seen if b > a]


def stand_beside(
    bands: Sequence[NameBand], step: float, low: float, high: float
) -> list[tuple[float, NameBand]]:
    """Middles of the names that find room beside their own rows, at least `step` apart.

    Where two are in each other's way, the network of fewer rows stays without a name.

    Parameters
    ----------
    bands
        From the first row down.
    step
        Height of a name in pixels.
    low, high
        Between these a name's middle must lie.
    """
    left = list(bands)
    while left:
        ranges = [_allowed(band, step, low, high) for band in left]
        earliest: list[float] = []
        for index, (first, last) in enumerate(ranges):
            before = earliest[-1] + step if earliest else first
            earliest.append(max(first, before))
            if earliest[-1] > last:
                rivals = (
                    (left[index],) if first > last or index == 0 else left[index - 1 : index + 1]
                )
                left.remove(min(rivals, key=lambda band: band.end - band.begin))
                break
        else:
            return _middles(left, ranges, step)
    return []


def _allowed(band: NameBand, step: float, low: float, high: float) -> tuple[float, float]:
    """Where the middle of a name may lie; the first beyond the second where nowhere."""
    margin = min(_INSIDE * step, (band.end - band.begin) / 2.0)
    return max(band.begin + margin, low), min(band.end - margin, high)


def _middles(
    left: list[NameBand], ranges: list[tuple[float, float]], step: float
) -> list[tuple[float, NameBand]]:
    """As near to the middle of their rows as the others let them; all fit."""
    latest = [last for _, last in ranges]
    for index in range(len(latest) - 2, -1, -1):
        latest[index] = min(latest[index], latest[index + 1] - step)
    made: list[float] = []
    for band, (first, _), last in zip(left, ranges, latest, strict=True):
        least = max(first, made[-1] + step) if made else first
        made.append(min(max(band.middle, least), last))
    return list(zip(made, left, strict=True))
