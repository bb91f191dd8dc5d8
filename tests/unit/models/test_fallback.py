"""Memory that runs out at each layer in turn: the same numbers from the CPU, and it is said.

No graphics card is needed: "cuda" is made to be the CPU's memory, so that every line of the way
there and back runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from app.attribution.explain import explain
from app.attribution.integrated_gradients import gradient_of
from app.models import device as devices
from app.models.bundle import Bundle, load_bundle
from app.models.device import TORCH_THREADS
from tests.unit.models.conftest import MiniScan


@pytest.fixture
def bundle(bundle_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle on a machine whose graphics card is the processor under another name."""
    found = load_bundle(bundle_dir)
    monkeypatch.setattr(devices, "available_devices", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(devices, "free_bytes", lambda _key: 0)
    monkeypatch.setattr("app.models.bundle.torch_device", lambda _key: torch.device("cpu"))
    monkeypatch.setattr(devices.torch.cuda, "is_initialized", lambda: False)
    return found


@contextmanager
def out_of_memory_at(call: int, *, times: int = 1) -> Iterator[list[int]]:
    """The `call`-th layer to run, and the `times - 1` after it, find no memory."""
    seen = [0]

    def before(module: nn.Module, _inputs: Any) -> None:
        if any(True for _ in module.children()):
            return  # layers only, not what holds them
        seen[0] += 1
        if call <= seen[0] < call + times:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    handle = register_module_forward_pre_hook(before)
    try:
        yield seen
    finally:
        handle.remove()


def layer_count(bundle: Bundle, scan: MiniScan) -> int:
    with out_of_memory_at(0, times=0) as seen:
        scan.asked(bundle)
    return seen[0]


def same_bits(one: Any, other: Any) -> bool:
    return bool(
        one.log_odds == other.log_odds
        and one.interval == other.interval
        and one.probability == other.probability
        and one.contributions == other.contributions
        and np.array_equal(one.log_odds_windows, other.log_odds_windows)
        and one.novelty == other.novelty
    )


def ask(bundle: Bundle, scan: MiniScan, device: str = "auto") -> Any:
    from app.models.gates import Asked

    asked = Asked(scan.signals, scan.connectome, scan.participant, scan.scan, scan.quality)
    return bundle.predict_with_notes(asked, device=device)


def test_that_memory_that_runs_out_once_at_any_layer_repeats_smaller(
    bundle: Bundle, scan: MiniScan
) -> None:
    plain, _, none = ask(bundle, scan, "cpu")
    assert none == ()
    layers = layer_count(bundle, scan)
    assert layers > 20
    for call in range(1, layers + 1):
        with out_of_memory_at(call):
            answer, used, notes = ask(bundle, scan)
        assert used == "cuda", call
        assert len(notes) == 1
        assert "repeated on cuda with one window at a time" in notes[0]
        assert answer.probability == pytest.approx(plain.probability, abs=1e-5)
        assert same_bits(answer, plain), call  # one window at a time, as on the CPU


def test_that_memory_that_runs_out_for_good_at_any_layer_ends_on_the_cpu(
    bundle: Bundle, scan: MiniScan
) -> None:
    plain, _, _ = ask(bundle, scan, "cpu")
    layers = layer_count(bundle, scan)
    for call in range(1, layers + 1):
        twice = [0]

        def before(
            module: nn.Module, _inputs: Any, seen: list[int] = twice, at: int = call
        ) -> None:
            # each of the two attempts on the card fails at its own layer number `at`
            if any(True for _ in module.children()):
                return
            seen[0] += 1
            if seen[0] in (at, at + at):
                raise torch.OutOfMemoryError("CUDA out of memory.")

        handle = register_module_forward_pre_hook(before)
        try:
            answer, used, notes = ask(bundle, scan)
        finally:
            handle.remove()
        assert used == "cpu", call
        assert len(notes) == 2
        assert "repeated on cpu" in notes[1]
        assert same_bits(answer, plain)


def test_that_an_explanation_survives_memory_that_runs_out(bundle: Bundle, scan: MiniScan) -> None:
    def explained(device: str) -> Any:
        return bundle.explain_with_notes(explain, scan.signals, scan.connectome, device=device)

    with out_of_memory_at(0, times=0) as seen:
        plain, used, notes = explained("cpu")
    assert (used, notes) == ("cpu", ())
    for call in (2, seen[0] // 4):
        with out_of_memory_at(call):
            again, used, notes = explained("auto")
        assert used == "cuda"
        assert len(notes) == 1
        np.testing.assert_array_equal(again.scan.per_connection, plain.scan.per_connection)
        np.testing.assert_array_equal(
            again.branches.per_parcel_frame, plain.branches.per_parcel_frame
        )


def test_that_sparing_memory_gives_the_same_bits(bundle: Bundle, scan: MiniScan) -> None:
    def gradients(*, sparing: bool) -> torch.Tensor:
        model = bundle.scan_model().scan_functions(scan.signals, scan.connectome, sparing=sparing)
        assert model is not None
        return gradient_of(model.series_log_odds, model.series)

    assert torch.equal(gradients(sparing=True), gradients(sparing=False))


def test_that_a_card_that_answers_otherwise_is_not_used(
    bundle: Bundle, scan: MiniScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.models.network_statistics import NetworkStatistics

    plain, _, _ = ask(bundle, scan, "cpu")
    monkeypatch.setattr(NetworkStatistics, "canary", lambda _self: bundle.canary_log_odds + 1e-3)
    answer, used, notes = ask(bundle, scan)
    assert used == "cpu"
    assert "did not give its recorded answer on cuda" in notes[0]
    assert same_bits(answer, plain)


def test_that_bits_are_the_same_at_every_offered_thread_count_and_batch(
    bundle: Bundle, scan: MiniScan
) -> None:
    plain, _, _ = ask(bundle, scan, "cpu")
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 4, 8, 16):
            torch.set_num_threads(threads)
            assert same_bits(scan.asked(bundle, device="cpu", threads=threads), plain)
    finally:
        torch.set_num_threads(before)
    assert torch.get_num_threads() == before
    assert TORCH_THREADS == 2
    several, used, _ = ask(bundle, scan)  # four windows at a time
    assert used == "cuda"
    assert abs(several.probability - plain.probability) <= 1e-5
