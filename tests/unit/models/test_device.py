"""Choice of device, what is needed and free, and what happens when memory runs out."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from app.core.errors import ModelError
from app.models.device import (
    TORCH_THREADS,
    Attempt,
    UnfitDeviceError,
    choose_device,
    device_facts,
    fixed_threads,
    free_bytes,
    plan,
    run_with_fallback,
)

LADDER = (Attempt("cuda", 4), Attempt("cuda", 1), Attempt("cpu", 1))


def test_that_the_best_device_is_chosen_and_a_missing_one_is_said():
    assert choose_device("auto", ("cuda", "cpu")) == ("cuda", "")
    assert choose_device("auto", ("mps", "cpu")) == ("mps", "")
    assert choose_device("cpu", ("cuda", "cpu")) == ("cpu", "")
    device, note = choose_device("cuda", ("cpu",))
    assert device == "cpu"
    assert "not available" in note
    with pytest.raises(ModelError):
        choose_device("abacus")


def failing(faults: dict[Attempt, BaseException], tried: list[Attempt]):
    def work(device: str, batch: int) -> str:
        tried.append(Attempt(device, batch))
        if (fault := faults.get(tried[-1])) is not None:
            raise fault
        return f"done on {device}"

    return work


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("full"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ],
)
def test_that_memory_running_out_retries_smaller_then_on_the_cpu_and_says_so(fault):
    tried: list[Attempt] = []
    work = failing({LADDER[0]: fault, LADDER[1]: fault}, tried)
    answer, device, notes = run_with_fallback(work, LADDER)
    assert (answer, device) == ("done on cpu", "cpu")
    assert tuple(tried) == LADDER
    assert notes == (
        "Memory ran out on cuda with up to 4 windows at a time; repeated on cuda with one window "
        "at a time.",
        "Memory ran out on cuda with one window at a time; repeated on cpu with one window at a "
        "time.",
    )


def test_that_smaller_on_the_same_device_is_tried_first():
    tried: list[Attempt] = []
    work = failing({LADDER[0]: torch.OutOfMemoryError("full")}, tried)
    answer, device, notes = run_with_fallback(work, LADDER)
    assert (answer, device, len(notes)) == ("done on cuda", "cuda", 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RuntimeError("CUDA error: unspecified launch failure"), "The device failed"),
        (UnfitDeviceError("cuda"), "did not give its recorded answer"),
    ],
)
def test_that_a_device_that_failed_is_not_asked_again(fault, words):
    tried: list[Attempt] = []
    answer, device, notes = run_with_fallback(failing({LADDER[0]: fault}, tried), LADDER)
    assert (answer, device) == ("done on cpu", "cpu")
    assert tried == [LADDER[0], LADDER[2]]
    assert len(notes) == 1
    assert words in notes[0]


def test_that_another_fault_is_not_swallowed():
    with pytest.raises(RuntimeError, match="shape"):
        run_with_fallback(failing({LADDER[0]: RuntimeError("shape")}, []), LADDER)


def test_that_running_out_on_the_last_device_is_one_typed_error():
    with pytest.raises(ModelError) as caught:
        run_with_fallback(failing({LADDER[2]: MemoryError()}, []), LADDER[2:])
    assert caught.value.code == "model.memory"


def test_that_nothing_of_the_failed_run_is_alive_during_the_repeat():
    kept: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def work(device: str, _batch: int) -> None:
        gc.collect()
        alive.extend(ref() is not None for ref in kept)
        if device == "cpu":
            return
        big = torch.zeros(1000)
        kept.append(weakref.ref(big))
        raise torch.OutOfMemoryError("full")

    run_with_fallback(work, LADDER)
    assert alive == [False, False, False]


def test_that_the_need_is_compared_with_what_is_free_before_anything_runs():
    def need(attempt: Attempt) -> int:
        return {4: 4000 << 20, 1: 1000 << 20}[attempt.batch]

    attempts, notes = plan("cuda", need, lambda _device: 8000 << 20)
    assert (attempts, notes) == (LADDER, ())
    attempts, notes = plan("cuda", need, lambda _device: 2000 << 20)
    assert (attempts, notes) == (LADDER[1:], ())
    free = {"cuda": 500 << 20, "cpu": 8000 << 20}.__getitem__
    attempts, notes = plan("cuda", need, free)  # type: ignore[arg-type]
    assert attempts == LADDER[2:]
    assert notes == (
        "The model needs about 1.0 GB on cuda, 500 MB are free there; cpu was used instead.",
    )
    with pytest.raises(ModelError, match=r"needs about 1\.0 GB of memory, 500 MB are free"):
        plan("cpu", need, lambda _device: 500 << 20)


def test_that_devices_tell_their_name_and_memory():
    facts = {fact.key: fact for fact in device_facts()}
    assert "cpu" in facts
    assert 0 < facts["cpu"].free_bytes <= facts["cpu"].total_bytes
    assert facts["cpu"].name
    assert free_bytes("cpu") > 0


def test_that_threads_are_constant_inside_and_restored_outside():
    before = torch.get_num_threads()
    with fixed_threads():
        assert torch.get_num_threads() == TORCH_THREADS
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()
