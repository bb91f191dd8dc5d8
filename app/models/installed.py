"""Where models lie: those delivered with the program, and those that the user installed."""

from __future__ import annotations

from pathlib import Path

from app.core.errors import ModelError
from app.core.folders import data_folder
from app.core.resources import model_weights_path
from app.models.card_text import model_id_problem

MODELS: tuple[str, ...] = ("simulated-demo",)  # delivered with the program
WEIGHTS_FILE = "weights.safetensors"
STATISTICS_FILE = "statistics.safetensors"
CARD_FILE = "card.toml"


def user_models_path() -> Path:
    """Folder of the models that this user installed, one sub-folder each; not created here."""
    return data_folder() / "models"


def bundle_folder(model_id: str) -> Path:
    """Folder of a model by its id: a delivered one first, then the user's.

    Raises
    ------
    ModelError
        ``model.id`` for text that cannot be an id (a path, a device name), ``model.missing``.
    """
    if problem := model_id_problem(model_id):
        raise ModelError(
            f"'{model_id[:40]!s}' is not the id of a model: it {problem}.",
            "Choose one that `models` lists.",
            code="model.id",
        )
    if model_id in MODELS:
        return model_weights_path() / model_id
    folder = user_models_path() / model_id
    if not (folder / CARD_FILE).is_file():
        raise ModelError(
            f"No model named '{model_id}' is installed.",
            "Choose one that `models` lists.",
            code="model.missing",
        )
    return folder


def installed_models() -> tuple[str, ...]:
    """Ids of all models that can be asked, delivered ones first."""
    place = user_models_path()
    own = sorted(
        folder.name
        for folder in (place.iterdir() if place.is_dir() else ())
        if not model_id_problem(folder.name) and (folder / CARD_FILE).is_file()
    )
    return (*MODELS, *(name for name in own if name not in MODELS))
