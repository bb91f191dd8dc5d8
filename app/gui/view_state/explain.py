"""What the explanation shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explain:
    """Choices of the explanation that change what is drawn, never a number."""

    show_unstable: bool = False  # parcels below the stability limit in the top lists too
    baseline: int = 0  # of the health page's list: 0 the one that is shown, then each repeat
