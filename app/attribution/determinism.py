"""The same scan gives the same attribution to the last bit: constant threads, no TF32.

The models room does the same for predictions; rooms do not import each other, hence twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TORCH_THREADS = 2  # the number decides the last bits; see app/models/device.py


@contextmanager
def deterministic_torch() -> Iterator[None]:
    """Deterministic algorithms with a constant number of threads; the old state returns after."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads = torch.get_num_threads()
    before = torch.get_deterministic_debug_mode()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(TORCH_THREADS)
    # Not `use_deterministic_algorithms`, which imports the whole compiler.
    torch.set_deterministic_debug_mode("error")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(before)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
