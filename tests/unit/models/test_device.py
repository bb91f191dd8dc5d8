"""Choice of device and what happens when memory runs out."""

from __future__ import annotations

import pytest
import torch

from app.core.errors import ModelError
from app.models.device import TORCH_THREADS, choose_device, fixed_threads, run_with_fallback


def test_that_the_best_device_is_chosen_and_a_missing_one_is_said():
    assert choose_device("auto", ("cuda", "cpu")) == ("cuda", "")
    assert choose_device("auto", ("mps", "cpu")) == ("mps", "")
    assert choose_device("cpu", ("cuda", "cpu")) == ("cpu", "")
    device, note = choose_device("cuda", ("cpu",))
    assert device == "cpu"
    assert "not available" in note
    with pytest.raises(ModelError):
        choose_device("abacus")


def test_that_memory_running_out_falls_back_and_says_so():
    tried = []

    def work(device: str, batch: int) -> str:
        tried.append((device, batch))
        if device != "cpu":
            raise torch.OutOfMemoryError("full")
        return "done"

    answer, device, notes = run_with_fallback(work, "mps", 4)
    assert (answer, device) == ("done", "cpu")
    assert tried == [("mps", 4), ("mps", 1), ("cpu", 1)]
    assert len(notes) == 2


def test_that_running_out_on_the_last_device_is_an_error():
    def work(_device: str, _batch: int) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        run_with_fallback(work, "cpu", 1)


def test_that_threads_are_constant_inside_and_restored_outside():
    before = torch.get_num_threads()
    with fixed_threads():
        assert torch.get_num_threads() == TORCH_THREADS
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()
