"""Which device computes, with how many threads, and what happens when memory runs out.

The number of threads decides the last bits: in the demonstration model's 64-bit log-odds one and
two threads differ by 7e-9. So torch always runs with exactly `TORCH_THREADS` threads here, whatever
the machine has and whatever the caller grants; a single core then does both threads' work, and
gives the same bits (measured: prediction and attribution, on one core and on two).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from app.core.errors import ModelError

TORCH_THREADS = 2
DEVICES = ("cuda", "mps", "cpu")
ACCELERATOR_BATCH = 4  # windows at a time on a GPU; always one at a time on the CPU
MEBIBYTE = 1 << 20

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device of this machine, for the settings."""

    key: str  # "cuda", "mps", "cpu"
    name: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where to compute, and how many windows at a time."""

    device: str
    batch: int


class UnfitDeviceError(RuntimeError):
    """A device does not give the answer that the CPU gives; it is not used."""


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


def torch_device(key: str) -> torch.device:
    """The one place where a device's key becomes torch's device."""
    return torch.device(key)


def available_devices() -> tuple[str, ...]:
    """Devices of this machine, best first; "cpu" is always among them."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def free_bytes(key: str) -> int:
    """Memory that is free on a device now; 0 where the device does not say."""
    if key == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    if key == "mps":
        used = torch.mps.driver_allocated_memory()
        return max(int(torch.mps.recommended_max_memory()) - int(used), 0)
    import psutil

    return int(psutil.virtual_memory().available)


def device_facts() -> tuple[DeviceFacts, ...]:
    """Name and memory of every device of this machine, best first."""
    return tuple(_facts(key) for key in available_devices())


def _facts(key: str) -> DeviceFacts:
    if key == "cuda":
        free, total = torch.cuda.mem_get_info()
        return DeviceFacts(key, torch.cuda.get_device_name(), int(free), int(total))
    if key == "mps":
        total = int(torch.mps.recommended_max_memory())
        return DeviceFacts(key, "Apple graphics (MPS)", free_bytes(key), total)
    import platform

    import psutil

    name = platform.processor() or platform.machine() or "processor"
    memory = psutil.virtual_memory()
    cores = os.cpu_count() or 1
    return DeviceFacts(
        key, f"Processor ({name}, {cores} cores)", int(memory.available), int(memory.total)
    )


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


def plan(
    device: str, need_bytes: Callable[[Attempt], int], free: Callable[[str], int] | None = None
) -> tuple[tuple[Attempt, ...], tuple[str, ...]]:
    """Attempts in order, smaller each time and the CPU last, and why any was left out.

    Parameters
    ----------
    device
        Where to begin.
    need_bytes
        Attempt -> memory that it needs.
    free
        Device -> free memory; 0 = it does not say, so it is tried. None = ask the device.

    Raises
    ------
    ModelError
        ``model.memory``, with both figures, when even the CPU has not enough.
    """
    steps = [Attempt("cpu", 1)]
    if device != "cpu":
        steps = [Attempt(device, ACCELERATOR_BATCH), Attempt(device, 1), *steps]
    attempts, notes = [], []
    for step in steps:
        need, have = need_bytes(step), (free or free_bytes)(step.device)
        if not have or need <= have:
            attempts.append(step)
        elif step.device == "cpu":
            if not attempts:
                raise _too_little_memory(need, have)
        elif step.batch == 1:
            notes.append(
                f"The model needs about {_mebibytes(need)} on {step.device}, "
                f"{_mebibytes(have)} are free there; cpu was used instead."
            )
    return tuple(attempts), tuple(notes)


def run_with_fallback(
    work: Callable[[str, int], Answer], attempts: tuple[Attempt, ...]
) -> tuple[Answer, str, tuple[str, ...]]:
    """Run `work(device, batch)`; when memory runs out go to the next attempt, and say so.

    Returns
    -------
    answer, device used, notes

    Raises
    ------
    ModelError
        ``model.memory`` when memory runs out in the last attempt too.
    """
    notes: list[str] = []
    lost = False
    cause = ""
    for index, attempt in enumerate(attempts):
        if lost and attempt.device != "cpu":
            continue
        try:
            return work(attempt.device, attempt.batch), attempt.device, tuple(notes)
        except (RuntimeError, MemoryError) as error:
            lost = device_lost(error) and attempt.device != "cpu"
            if not (lost or out_of_memory(error)):
                raise
            cause = "Memory ran out"
            if lost:
                cause = "The device failed"
            if isinstance(error, UnfitDeviceError):
                cause = "The model did not give its recorded answer"
        # Outside the except block: there the error would keep every tensor of the run alive.
        if not lost:
            _empty_cache(attempt.device)
        left = [step for step in attempts[index + 1 :] if not lost or step.device == "cpu"]
        if left:
            notes.append(
                f"{cause} on {attempt.device} with {_windows(attempt.batch)}; repeated on "
                f"{left[0].device} with {_windows(left[0].batch)}."
            )
    raise ModelError(
        "The memory of this machine ran out while the model was computing.",
        "Close other programs, or raise the memory limit in the settings.",
        code="model.memory",
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch says so in several ways."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        words in text for words in ("out of memory", "can't allocate memory", "ALLOC_FAILED")
    )


def device_lost(error: BaseException) -> bool:
    """Whether a graphics card failed in a way after which it cannot be used in this process."""
    text = str(error)
    return isinstance(error, UnfitDeviceError) or (
        isinstance(error, RuntimeError)
        and not out_of_memory(error)
        and ("CUDA error" in text or "CUDA driver" in text or "MPS backend" in text)
    )


def _empty_cache(device: str) -> None:
    if device == "cuda" and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif device == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _windows(batch: int) -> str:
    return f"up to {batch} windows at a time" if batch > 1 else "one window at a time"


def _mebibytes(count: int) -> str:
    return f"{count / MEBIBYTE:.0f} MB" if count < 1000 * MEBIBYTE else f"{count / 2**30:.1f} GB"


def _too_little_memory(need: int, have: int) -> ModelError:
    return ModelError(
        f"The model needs about {_mebibytes(need)} of memory, {_mebibytes(have)} are free.",
        "Close other programs, or use a machine with more memory.",
        code="model.memory",
    )
