"""Stages that need not be computed twice: keys by content, a store if there is one.

``key(stage) = SHA-256(keys of its inputs, name, version, parameters)``; the first key is the
run's own: the hash of its bytes, of the sidecar fields used and of the software. So a changed
setting changes the keys of what depends on it and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from app.core.provenance import record_sha256
from app.preprocessing.steps import step_version

T = TypeVar("T")


class StageStore(Protocol):
    """Keeps results of stages between runs."""

    def recall(self, stage: str, key: str, kind: type[T]) -> T | None:
        """The result kept under this key, or None when there is none that is intact."""

    def keep(self, stage: str, key: str, result: object) -> None:
        """Keep a result; a store that cannot is no fault."""


class Stages:
    """Runs the stages of one scan, or recalls them; remembers which.

    Parameters
    ----------
    source
        Hash of everything that the first stage depends on; "" keeps nothing.
    store
        None computes every stage.
    """

    def __init__(self, source: str = "", store: StageStore | None = None) -> None:
        self._store = store if source else None
        self.keys: dict[str, str] = {"source": source}
        self.computed: list[str] = []
        self.recalled: list[str] = []

    def run(
        self,
        stage: str,
        kind: type[T],
        compute: Callable[[], T],
        *,
        after: tuple[str, ...] = ("source",),
        **parameters: object,
    ) -> T:
        """The stage's result, from the store where it holds one of the same key.

        Parameters
        ----------
        stage
            Name in `steps.STEPS`.
        kind
            Frozen dataclass of the result.
        compute
            Makes it.
        after
            Stages (or "source", "t1") whose keys are inputs.
        parameters
            JSON-able settings that change the result.
        """
        record = [[self.keys[name] for name in after], stage, step_version(stage), parameters]
        key = record_sha256(record)
        self.keys[stage] = key
        if self._store is not None:
            found = self._store.recall(stage, key, kind)
            if found is not None:
                self.recalled.append(stage)
                return found
        result = compute()
        self.computed.append(stage)
        if self._store is not None:
            self._store.keep(stage, key, result)
        return result
