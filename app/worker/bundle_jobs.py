"""Jobs about bundles and devices: card, export, import, verify, what this machine has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.errors import ModelError
from app.core.progress import Progress


def bundle_card(arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """A model's card as sections of (name, value) lines."""
    from app.models.card import read_card
    from app.models.card_page import card_page
    from app.models.installed import bundle_folder, installed_models

    card = read_card(bundle_folder(arguments["model_id"]))
    return {
        "model_id": card.fields.model.id,
        "installed": list(installed_models()),
        "card_sha256": card.sha256,
        "use": card.fields.model.use,
        "simulated": card.fields.model.simulated,
        "sections": [
            {"title": section.title, "lines": [list(line) for line in section.lines]}
            for section in card_page(card)
        ],
    }


def bundle_export(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a model as one file."""
    from app.models.archive import export_bundle

    progress.set_weights({"Export": 1.0})
    with progress.stage("Export"):
        target = export_bundle(arguments["model_id"], Path(arguments["target"]), progress)
    return {"exported": str(target)}


def bundle_import(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Install a model from one file."""
    from app.models.archive import import_bundle

    progress.set_weights({"Import": 1.0})
    with progress.stage("Import"):
        model_id = import_bundle(Path(arguments["source"]), progress)
    return {"imported": model_id}


def bundle_verify(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Read models again: hashes, every array, the made-up scan; a sentence for each fault."""
    from app.models.bundle import load_bundle

    troubles = {}
    progress.set_weights({"Verify": 1.0})
    with progress.stage("Verify"):
        for number, model_id in enumerate(arguments["ids"]):
            progress.step(number / len(arguments["ids"]), model_id)
            try:
                load_bundle(model_id)
                troubles[model_id] = ""
            except ModelError as error:
                troubles[model_id] = f"{error.message} {error.hint}".rstrip()
    return {"troubles": troubles}


def devices(_arguments: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
    """Name and memory of each device; the window itself never imports torch."""
    from app.models.device import device_facts

    return {"devices": [dataclasses.asdict(fact) for fact in device_facts()]}


BUNDLE_JOBS = {
    "bundle_card": bundle_card,
    "bundle_export": bundle_export,
    "bundle_import": bundle_import,
    "bundle_verify": bundle_verify,
    "devices": devices,
}
