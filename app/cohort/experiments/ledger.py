"""What an experiment has done so far: one JSON record a line, so that it can be interrupted.

A ledger belongs to one identity (settings, data, code version): another identity has another file,
and nothing done under other settings is ever taken for one's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.core.errors import StorageError
from app.core.progress import Progress
from app.core.provenance import record_sha256
from app.study.files import storage_errors

Record = dict[str, Any]


class Ledger:
    """Records of one experiment on disk.

    Parameters
    ----------
    folder
        Made when the first record is written.
    name
        Of the experiment, for the file's name.
    identity
        JSON-able; whatever changes a record.
    """

    def __init__(self, folder: Path, name: str, identity: Any) -> None:
        self.path = folder / f"{name}-{record_sha256(identity)[:12]}.jsonl"
        self._records = {str(record["key"]): record for record in self._read()}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        """What was recorded under a key."""
        return self._records.get(key)

    def add(self, key: str, record: Record) -> Record:
        """Write one record and flush it.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        whole = {"key": key, **record}
        with storage_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(whole) + "\n")
                handle.flush()
        self._records[key] = whole
        return whole

    def all_of(
        self,
        keys: Sequence[str],
        make: Callable[[str], Record],
        progress: Progress,
        words: str = "repeat",
    ) -> list[Record]:
        """The records of all keys in order; those that are missing are made, one after the other.

        Raises
        ------
        CancelledError
            A cancel was asked; what was done is kept.
        """
        found = []
        for number, key in enumerate(keys):
            progress.step(number / len(keys), f"{words} {number + 1} of {len(keys)}")
            record = self.get(key)
            found.append(self.add(key, make(key)) if record is None else record)
        return found

    def _read(self) -> list[Record]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(self.path) from error
        records: list[Record] = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                record["key"]
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):  # the write was cut off: that one is made again
                    self._cut(lines[:-1])
                    break
                raise _damaged(self.path) from error
            records.append(record)
        return records

    def _cut(self, lines: list[str]) -> None:
        with storage_errors():
            partial = self.path.with_suffix(".partial")
            partial.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
            partial.replace(self.path)


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"The record of earlier work, {path.name}, is damaged.",
        "Remove the file; the work is done again.",
        code="experiment.ledger",
    )
