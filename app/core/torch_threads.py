"""How many threads torch uses: the same everywhere, so that a scan gives the same bits everywhere.

Measured on the demonstration encoder, prediction and attribution: one and two threads give the
same bits, three do not. A program of its own takes two, whatever the machine has and whatever the
caller grants; workers that stand side by side take one, so that each costs one core.
"""

from __future__ import annotations

import os

TORCH_THREADS = 2
VARIABLE = "NEURORESPONDER_TORCH_THREADS"


def torch_threads() -> int:
    """Threads of this process's torch, 1 or 2; nothing else is taken from the environment."""
    return 1 if os.environ.get(VARIABLE) == "1" else TORCH_THREADS
