"""Which device computes, with how many threads, and what happens when memory runs out.

Measured on the demonstration encoder: one and two threads give the same bits, three do not. So
torch always runs with exactly `TORCH_THREADS` threads here, whatever the machine has and
whatever the caller grants; a single core then does both threads' work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from app.core.errors import ModelError

TORCH_THREADS = 2
DEVICES = ("cuda", "mps", "cpu")

Answer = TypeVar("Answer")


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Deterministic torch with a constant number of threads; the old state returns after."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads = torch.get_num_threads()
    deterministic = torch.get_deterministic_debug_mode()
    tf32_matmul, tf32_cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    benchmark = torch.backends.cudnn.benchmark
    torch.set_num_threads(TORCH_THREADS)
    # Not `use_deterministic_algorithms`, which imports the whole compiler.
    torch.set_deterministic_debug_mode("error")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(deterministic)
        torch.backends.cuda.matmul.allow_tf32 = tf32_matmul
        torch.backends.cudnn.allow_tf32 = tf32_cudnn
        torch.backends.cudnn.benchmark = benchmark


def available_devices() -> tuple[str, ...]:
    """Devices of this machine, best first; "cpu" is always among them."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def choose_device(wish: str, available: tuple[str, ...] | None = None) -> tuple[str, str]:
    """Pick a device.

    Parameters
    ----------
    wish
        "auto" or one of `DEVICES`.
    available
        What the machine has; None = look.

    Returns
    -------
    device, note
        The note is empty unless the wish could not be met.

    Raises
    ------
    ModelError
        When the wish is not a known device.
    """
    if wish != "auto" and wish not in DEVICES:
        raise ModelError(
            f"Unknown device '{wish}'.",
            f"Choose one of: auto, {', '.join(DEVICES)}.",
            code="model.device",
        )
    offered = available_devices() if available is None else available
    if wish == "auto":
        return offered[0], ""
    if wish in offered:
        return wish, ""
    return offered[0], f"Device '{wish}' is not available here; {offered[0]} was used instead."


def run_with_fallback(
    work: Callable[[str, int], Answer], device: str, batch: int
) -> tuple[Answer, str, tuple[str, ...]]:
    """Run `work(device, batch)`; when memory runs out try batch 1, then the CPU, and say so.

    Returns
    -------
    answer, device used, notes

    Raises
    ------
    torch.OutOfMemoryError, MemoryError
        When even the CPU with batch 1 has not enough memory.
    """
    attempts = [(device, batch)]
    if batch > 1:
        attempts.append((device, 1))
    if device != "cpu":
        attempts.append(("cpu", 1))
    notes: list[str] = []
    for index, (where, size) in enumerate(attempts):
        last = index + 1 == len(attempts)
        try:
            return work(where, size), where, tuple(notes)
        except (torch.OutOfMemoryError, MemoryError):
            if last:
                raise
        # outside the except block, so that the error no longer keeps tensors alive
        if where == "cuda":
            torch.cuda.empty_cache()
        following = attempts[index + 1]
        notes.append(
            f"Memory ran out on {where} with batch {size}; repeated on {following[0]} with "
            f"batch {following[1]}."
        )
    raise AssertionError("the loop returns or raises")
