"""The demonstration model on a graphics card: does it agree with the processor, twice, and when
the card's memory is full?

    python tests/benchmarks/gpu_bundle.py [--device cuda] [--repeats 3] [--frames 400]

Needs Python 3.11 to 3.13, torch, numpy, safetensors, pydantic, psutil; no window, no
atlas, no scan: the series is made up and always the same. Prints a table and ends with status 1
when the card's probability is off by more than the model card allows, when two runs differ in a
bit, or when a full card does not lead to the processor's own answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# Before torch starts CUDA, or deterministic matrix products are refused.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("NEURORESPONDER_HOME", tempfile.mkdtemp(prefix="neuroresponder-gpu-"))

import numpy as np
import torch

from app.attribution.explain import explain
from app.attribution.integrated_gradients import gradient_of
from app.core.progress import Progress
from app.core.results import Attribution, CleanSignals, Connectome
from app.models.answer import Answer
from app.models.bundle import BACKWARD, Bundle, load_bundle
from app.models.device import device_facts, fixed_threads
from app.models.features import window_starts

PARCELS, SEED = 426, 20
SPARE_BYTES = 24 << 20  # what is left free on a "full" card


@dataclass(frozen=True, slots=True)
class Scan:
    """A made-up scan of six minutes and more, correlated and smooth in time."""

    signals: CleanSignals
    connectome: Connectome


def made_up_scan(frames: int) -> Scan:
    rng = np.random.default_rng(SEED)
    sources = rng.standard_normal((frames + 20, 12))
    smooth = np.stack([np.convolve(row, np.ones(8) / 8, "same") for row in sources.T], axis=1)
    series = smooth[10:-10] @ rng.standard_normal((12, PARCELS))
    series = 0.35 * series + 0.5 * rng.standard_normal((frames, PARCELS))
    cleaned = 0.61 * (series - series.mean(axis=0)) / series.std(axis=0)
    matrix = np.corrcoef(cleaned.T)
    np.fill_diagonal(matrix, 0.0)
    signals = CleanSignals(
        atlas="made up",
        template="made up",
        parcel_names=tuple(f"p{i}" for i in range(PARCELS)),
        networks=("n",) * PARCELS,
        hemispheres=("L",) * PARCELS,
        centroids_mm=np.zeros((PARCELS, 3)),
        raw=cleaned,
        cleaned=cleaned,
        good_frames=np.ones(frames, np.bool_),
        coverage=np.ones(PARCELS),
        repetition_time_s=2.0,
        first_frame=0,
        preset="made up",
        residual_degrees_of_freedom=100.0,
        confounds={},
    )
    return Scan(signals, Connectome("pearson", matrix, frames))


def answered(bundle: Bundle, scan: Scan, device: str, batch: int) -> Answer:
    with fixed_threads(), torch.no_grad():
        return bundle.scan_model(device).answer(
            scan.signals, scan.connectome, np.full(4, np.nan), batch, Progress()
        )


def explained(bundle: Bundle, scan: Scan, device: str) -> Attribution:
    functions = bundle.scan_model(device).scan_functions(scan.signals, scan.connectome)
    assert functions is not None
    return explain(functions)


def bits(value: Any) -> bytes:
    """Everything that a number of this result is made of."""
    if isinstance(value, Answer):
        parts: list[Any] = [value.log_odds, value.probability, *value.interval, *value.windows]
        parts += [*(value.contributions or {}).values(), value.novelty.percentile]
        return np.array(parts, np.float64).tobytes()
    return b"".join(
        np.ascontiguousarray(array).tobytes()
        for branch in (value.branches, value.scan)
        for array in (branch.per_parcel_series, branch.per_parcel_frame, branch.per_connection)
    )


def timed(work: Callable[[], Any], device: str) -> tuple[Any, float]:
    synchronise(device)
    began = time.perf_counter()
    result = work()
    synchronise(device)
    return result, time.perf_counter() - began


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


class Table:
    """Lines of the answer, and whether all of them are right."""

    def __init__(self) -> None:
        self.right = True

    def line(self, what: str, value: str, right: bool | None = None) -> None:
        self.right &= right is not False
        word = {None: "", True: "pass", False: "FAIL"}[right]
        print(f"{what:<58}{value:>28}  {word}", flush=True)


def compare_answers(bundle: Bundle, scan: Scan, device: str, repeats: int, table: Table) -> None:
    tolerance = bundle.card.fields.reproducibility.probability_tolerance
    plain, seconds = timed(lambda: answered(bundle, scan, "cpu", 1), "cpu")
    table.line("CPU: probability, seconds", f"{plain.probability:.9f}, {seconds:.2f}")
    canary = abs(bundle.scan_model(device).canary() - bundle.canary_log_odds)
    table.line("canary, log-odds apart", f"{canary:.2e}")
    for batch in (1, 2, 4):
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        found = [timed(lambda b=batch: answered(bundle, scan, device, b), device)
                 for _ in range(repeats)]  # fmt: skip
        answer, seconds = found[-1]
        apart = abs(answer.probability - plain.probability)
        table.line(f"{device}, {batch} windows at a time: probability apart",
                   f"{apart:.2e} (limit {tolerance:g})", apart <= tolerance)  # fmt: skip
        ends = max(abs(a - b) for a, b in zip(answer.interval, plain.interval, strict=True))
        table.line("    interval apart, log-odds apart",
                   f"{ends:.2e}, {abs(answer.log_odds - plain.log_odds):.2e}")  # fmt: skip
        same = len({bits(one) for one, _ in found}) == 1
        table.line(f"    {repeats} runs: same bits, seconds", f"{same}, {seconds:.3f}", same)
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
            need = bundle.architecture.need_bytes(bundle.card, batch) / 2**20
            table.line("    peak memory, estimated need (MiB)", f"{peak:.0f}, {need:.0f}",
                       peak <= need)  # fmt: skip


def compare_attributions(bundle: Bundle, scan: Scan, device: str, table: Table) -> None:
    plain, seconds = timed(lambda: explained(bundle, scan, "cpu"), "cpu")
    table.line("CPU: both attributions, seconds", f"{seconds:.1f}")
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    first, seconds = timed(lambda: explained(bundle, scan, device), device)
    table.line(f"{device}: both attributions, seconds", f"{seconds:.1f}")
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
        windows = len(window_starts(len(scan.signals.cleaned), bundle.contract.window_frames))
        need = BACKWARD * bundle.architecture.need_bytes(bundle.card, windows) / 2**20
        table.line("    peak memory, estimated need (MiB)", f"{peak:.0f}, {need:.0f}", peak <= need)
    again, _ = timed(lambda: explained(bundle, scan, device), device)
    table.line("    twice: same bits", str(bits(first) == bits(again)), bits(first) == bits(again))
    for name in ("branches", "scan"):
        ours, theirs = getattr(first, name), getattr(plain, name)
        for field in ("per_parcel_series", "per_connection"):
            one, other = getattr(ours, field), getattr(theirs, field)
            apart, scale = np.abs(one - other).max(), np.abs(other).max()
            table.line(f"    {name}.{field}: largest apart, largest value",
                       f"{apart:.1e}, {scale:.1e}", bool(apart <= 1e-3 * scale + 1e-7))  # fmt: skip
        same = ours.nodes == theirs.nodes and ours.converged == theirs.converged
        table.line(f"    {name}: nodes, converged as on the CPU",
                   f"{ours.nodes}, {ours.converged}", same)  # fmt: skip


def compare_gradients(bundle: Bundle, scan: Scan, table: Table) -> None:
    """One gradient of the series branch with every window kept, and with none."""
    found = []
    for sparing in (False, True):
        functions = bundle.scan_model("cuda").scan_functions(
            scan.signals, scan.connectome, sparing=sparing
        )
        assert functions is not None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        with fixed_threads():
            gradient = gradient_of(functions.series_log_odds, functions.series)
        peak = (torch.cuda.max_memory_allocated() - before) / 2**20
        found.append(gradient.cpu().numpy().tobytes())
        table.line(f"one gradient, {'sparing' if sparing else 'all kept'}: peak (MiB)",
                   f"{peak:.0f}")  # fmt: skip
    table.line("    same bits", str(found[0] == found[1]), found[0] == found[1])


def full_card(bundle: Bundle, scan: Scan, table: Table) -> None:
    """Fill the card with plain allocations until nearly nothing is free, then ask as ever."""
    plain = answered(bundle, scan, "cpu", 1)
    bundle.scan_model("cuda")  # CUDA's own libraries are loaded before the card is filled
    answered(bundle, scan, "cuda", 1)
    torch.cuda.empty_cache()
    from app.models import device as devices

    taken: list[torch.Tensor] = []
    piece = 1 << 30
    while piece >= 1 << 20:
        try:
            if torch.cuda.mem_get_info()[0] < piece + SPARE_BYTES:
                piece //= 2
                continue
            taken.append(torch.empty(piece, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            piece //= 2
    table.line("card filled, MiB still free", f"{torch.cuda.mem_get_info()[0] / 2**20:.0f}")

    def work(where: str, batch: int) -> Answer:
        return answered(bundle, scan, where, batch)

    answer, used, notes = bundle.on_device(work, "cuda")
    same = bits(answer) == bits(plain)
    table.line("full card, need estimated first: device, CPU's own bits", f"{used}, {same}", same)
    for note in notes:
        print(f"    said: {note}")
    table.line("    said so", str(bool(notes)), bool(notes))
    # Now as if the card did not say what is free: the allocation itself fails inside a layer.
    free_bytes = devices.free_bytes
    devices.free_bytes = lambda key: 0 if key == "cuda" else free_bytes(key)
    try:
        answer, used, notes = bundle.on_device(work, "cuda")
    finally:
        devices.free_bytes = free_bytes
    same = bits(answer) == bits(plain) if used == "cpu" else True
    table.line("full card, real out-of-memory: device, notes", f"{used}, {len(notes)}", same)
    for note in notes:
        print(f"    said: {note}")
    if used == "cuda":
        print("    (the model fitted into what was left)")
    del taken
    torch.cuda.empty_cache()
    answer, used, notes = bundle.on_device(work, "cuda")
    table.line("card free again: device, notes", f"{used}, {len(notes)}",
               used == "cuda" and not notes)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "mps", "cpu"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--no-attribution", action="store_true")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, numpy {np.__version__}")
    for fact in device_facts():
        print(f"{fact.key}: {fact.name}, {fact.free_bytes / 2**30:.1f} of "
              f"{fact.total_bytes / 2**30:.1f} GiB free")  # fmt: skip
    bundle, scan, table = load_bundle("simulated-demo"), made_up_scan(options.frames), Table()
    compare_answers(bundle, scan, options.device, options.repeats, table)
    if not options.no_attribution:
        compare_attributions(bundle, scan, options.device, table)
    if options.device == "cuda":
        compare_gradients(bundle, scan, table)
        full_card(bundle, scan, table)
    print("All right." if table.right else "Something differs: see FAIL above.")
    return 0 if table.right else 1


if __name__ == "__main__":
    sys.exit(main())
