"""An encoder by name or folder, with what it may be fed; one interface for both families."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from app.core.arrays import Ints, frozen
from app.core.errors import AppError, ModelError
from app.core.folders import installed_encoder_folder
from app.core.progress import Progress
from app.models.brainlm import BrainLM
from app.models.brainlm_vit import BrainLMVit
from app.models.catalogue import ENCODERS
from app.models.checkpoints import open_checkpoint
from app.models.input_contract import InputContract
from app.models.normalisation import find_normalisation

DEMONSTRATION = "simulated-demo"
PUBLISHED_PARCELS = {424: "A424"}  # the atlas of every published checkpoint
FAMILIES = {"13m": "BrainLM 13M family", "vit": "BrainLM ViT-MAE"}


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """A frozen encoder in memory and what is known of it.

    What `contract` leaves open (an empty normalisation) is the user's choice; what it states is
    not.
    """

    name: str
    family: str  # "13m" or "vit"
    module: BrainLM | BrainLMVit
    contract: InputContract
    sha256: dict[str, str]  # of the files that it was made from, by name
    stored_orders: Ints | None = None  # (order, token), where the encoder brings its own
    parcel_order_sha256: str = ""  # of the parcels' names, where it states them
    trust: str = "verified: as its card pins it"  # how far the hashes are known, in words

    @property
    def order_matters(self) -> bool:
        """Whether the order of tokens changes the features."""
        return isinstance(self.module, BrainLM)

    @property
    def token_count(self) -> int:
        """Tokens of one window, without CLS."""
        return self.module.config.token_count

    def cls(self, windows: Tensor, centroids_mm: Tensor, order: Tensor) -> Tensor:
        """(window, parcel, frame) -> (window, width); the order is not used by the ViT."""
        if isinstance(self.module, BrainLM):
            return self.module.cls(windows, centroids_mm, order)
        return self.module.cls(windows, centroids_mm)

    def tokens(self, windows: Tensor, centroids_mm: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """CLS (window, width), and patches in their own places.

        13M family: (window, parcel, patch, width). ViT: (window, row, column, width) of the tokens
        that bear data, rows by ascending y of MNI.
        """
        if isinstance(self.module, BrainLM):
            return self.module.tokens(windows, centroids_mm, order)
        return self.module.tokens(windows, centroids_mm)


def open_encoder(name: str, progress: Progress | None = None) -> LoadedEncoder:
    """Open the demonstration's encoder, an installed one by its id, or a checkpoint folder.

    Parameters
    ----------
    name
        "simulated-demo", the id of an installed encoder, or a path. A name without a folder in it
        is an id first.

    Raises
    ------
    ModelError
        As `open_checkpoint`; ``model.missing`` when nothing of that name is there.
    """
    if name == DEMONSTRATION:
        return _demonstration()
    path = Path(name)
    installed = _installed_folder(name)
    if installed is not None:
        return _published(name, installed, progress)
    if path.is_dir():
        return _published(path.resolve().name, path, progress)
    known = next((entry.id for entry in ENCODERS if entry.id.lower() == name.lower()), "")
    if known:
        raise ModelError(
            f"The encoder {known} is not installed.",
            f"Fetch it: main.py models install {known}; or take files over that you have: "
            f"main.py models import FILES --as {known}.",
            code="model.missing",
        )
    raise ModelError(
        f"There is no encoder '{path.name[:80]}'.",
        f"Use '{DEMONSTRATION}', the id of an installed encoder (`main.py models list`), or a "
        "folder with config.json and model.safetensors.",
        code="model.missing",
    )


def _installed_folder(name: str) -> Path | None:
    """Folder of an installed encoder; None where there is none of that name."""
    try:
        folder = installed_encoder_folder(name)
    except AppError:  # no name that an installed encoder can have; a folder may be called so
        return None
    return folder if folder.is_dir() else None


def _published(name: str, folder: Path, progress: Progress | None) -> LoadedEncoder:
    found = open_checkpoint(folder, progress=progress)
    config = found.module.config
    contract = InputContract(
        parcel_count=config.num_brain_voxels,
        window_frames=config.num_timepoints_per_voxel,
        normalisation="",
        atlas=PUBLISHED_PARCELS.get(config.num_brain_voxels, ""),
    )
    return LoadedEncoder(
        name, found.family, found.module, contract, found.sha256, trust=found.trust
    )


def _demonstration() -> LoadedEncoder:
    from app.models.bundle import load_bundle
    from app.models.fmm_tc import FmmTc

    bundle = load_bundle(DEMONSTRATION)
    model = FmmTc.from_tensors(bundle.card, bundle.tensors)
    stated = bundle.contract
    contract = InputContract(
        parcel_count=stated.parcel_count,
        window_frames=stated.window_frames,
        normalisation=stated.normalisation,
        repetition_time_policy=stated.repetition_time_policy,
        maximum_missing_parcels=stated.maximum_missing_parcels,
        atlas=stated.atlas,
        repetition_time_s=stated.repetition_time_s,
        repetition_time_tolerance_s=stated.repetition_time_tolerance_s,
        scale_percent=stated.series_scale_percent,
    )
    orders = frozen(model.tensors["token_order"].numpy()[None], "int32")
    hashes = {"weights.safetensors": bundle.weights_sha256}
    return LoadedEncoder(
        DEMONSTRATION, "13m", model.encoder, contract, hashes, orders, stated.parcel_order_sha256
    )


def agreed_contract(
    encoder: LoadedEncoder,
    *,
    normalisation: str | None = None,
    repetition_time_policy: str | None = None,
    short_scans: str | None = None,
    maximum_missing_parcels: int | None = None,
) -> InputContract:
    """The encoder's contract with the user's choices where it leaves them open.

    Raises
    ------
    ModelError
        ``model.contract`` when a choice contradicts what the encoder states;
        ``model.normalisation`` when one that must be made was not.
    """
    stated = encoder.contract
    fixed = bool(stated.normalisation)  # a contract of our own fixes everything
    choices = {
        "normalisation": normalisation,
        "repetition_time_policy": repetition_time_policy,
        "short_scans": short_scans,
        "maximum_missing_parcels": maximum_missing_parcels,
    }
    for field, wish in choices.items():
        if fixed and wish is not None and wish != getattr(stated, field):
            raise ModelError(
                f"The encoder '{encoder.name}' was made with {field.replace('_', ' ')} "
                f"{getattr(stated, field)!r}; {wish!r} would be another model.",
                "Leave the option out.",
                code="model.contract",
            )
    if fixed:
        return stated
    agreed = replace(
        stated,
        normalisation=normalisation or "",
        repetition_time_policy=repetition_time_policy or stated.repetition_time_policy,
        short_scans=short_scans or stated.short_scans,
        maximum_missing_parcels=maximum_missing_parcels or 0,
    )
    find_normalisation(agreed.normalisation)
    return agreed


def check_series_fits(
    encoder: LoadedEncoder, parcel_names: tuple[str, ...], atlas: str
) -> tuple[str, ...]:
    """Refuse parcels that are not the encoder's; return what could not be checked.

    Parameters
    ----------
    parcel_names
        Header of the series; empty where it has none.
    atlas
        Name of the atlas as the series states it; "" where it does not.

    Raises
    ------
    ModelError
        ``model.atlas`` or ``model.parcel_order``.
    """
    stated = encoder.contract.atlas
    if stated and atlas and atlas.casefold() != stated.casefold():
        raise ModelError(
            f"The series is of the atlas {atlas[:40]}; the encoder was trained on {stated}.",
            "Parcels of another atlas mean other places, whatever their number.",
            code="model.atlas",
        )
    if encoder.parcel_order_sha256 and parcel_names:
        from app.models.card import sha256_of_names

        if sha256_of_names(parcel_names) != encoder.parcel_order_sha256:
            raise ModelError(
                f"The parcels of the series are not those of {stated} in the encoder's order.",
                "Use the table as this program wrote it; columns are never re-ordered by guess.",
                code="model.parcel_order",
            )
        return ()
    if stated and not atlas:
        return (f"The series does not say that its parcels are those of {stated} in its order.",)
    return ()
