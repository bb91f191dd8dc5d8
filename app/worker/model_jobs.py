"""Jobs on published models and atlases: what is there, install, take over, verify, remove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.progress import Progress


def models_state(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """What is there of each entry of the catalogue."""
    from app.worker.published import CATALOGUE, state_of

    return {
        "states": [
            {"id": s.id, "installed": s.installed, "trouble": s.trouble,
             "partial_bytes": s.partial_bytes, "checks": list(s.checks), "words": s.words}
            for s in map(state_of, CATALOGUE)
        ]
    }  # fmt: skip


def models_install(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Fetch, check and install one entry; the only job that uses the network."""
    from app.worker.installing import install
    from app.worker.published import find_published

    entry = find_published(arguments["id"])
    install(entry, progress, accepted=arguments["accepted"] is True)
    return {"installed": entry.id}


def models_import(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Take over files that were carried in."""
    from app.worker.carried_in import import_files
    from app.worker.published import find_published

    record = import_files(
        [Path(path) for path in arguments["paths"]],
        progress,
        accepted=arguments["accepted"] is True,
        entry=find_published(arguments["id"]) if arguments["id"] else None,
    )
    return {"installed": record["id"]}


def models_convert(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a folder that `--encoder` opens from one's own folder with a `.bin`."""
    from app.worker.own_checkpoints import convert_folder

    return convert_folder(Path(arguments["path"]), Path(arguments["out"]), progress)


def models_recognise(arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """Which entry files belong to, so that its licence can be shown before they are copied."""
    from app.worker.carried_in import listed, recognise

    return {"id": recognise(listed([Path(path) for path in arguments["paths"]])).id}


def models_verify(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Read installed files again; answers one sentence a damaged entry, "" for a sound one."""
    from app.worker.installing import verify
    from app.worker.published import find_published

    entries = [find_published(name) for name in arguments["ids"]]
    progress.set_weights({f"Verify {entry.id}": 1.0 for entry in entries})
    troubles = {}
    for entry in entries:
        with progress.stage(f"Verify {entry.id}"):
            troubles[entry.id] = verify(entry, progress)
    return {"troubles": troubles}


def models_remove(arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """Delete one entry."""
    from app.worker.installing import remove
    from app.worker.published import find_published

    return {"removed": remove(find_published(arguments["id"]))}


MODEL_JOBS = {
    "models_state": models_state,
    "models_install": models_install,
    "models_import": models_import,
    "models_convert": models_convert,
    "models_recognise": models_recognise,
    "models_verify": models_verify,
    "models_remove": models_remove,
}
