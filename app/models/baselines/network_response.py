"""Small networks on the matrix or on the series, trained from scratch, as `ResponseModel`s."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.brain_network_transformer import BrainNetworkTransformer
from app.models.baselines.brainnetcnn import BrainNetCNN
from app.models.baselines.connections import mean_correlation, missing_parcels
from app.models.baselines.people import People
from app.models.baselines.rival import Rival, parcels_of
from app.models.baselines.series_input import (
    SeriesInput,
    missing_in,
    windows_of,
)
from app.models.baselines.series_networks import (
    ConvolutionalNetwork,
    RecurrentNetwork,
    SeriesTransformer,
)
from app.models.baselines.storage import Stored, to_tensor
from app.models.baselines.training_loop import (
    Network,
    Training,
    TrainingPeople,
    all_finite,
    as_floats,
    one_thread,
    train,
)
from app.models.connectivity_kinds import fisher_z, without_diagonal

NETWORK = "network."


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What a network is made of and how it is trained."""

    architecture: str
    width: int  # filters, clusters or hidden units
    training: Training = field(default_factory=Training)
    window_frames: int = 0  # of networks on the series
    parcels: int = 0  # once fitted

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


MATRIX_NETWORKS: dict[str, Callable[[int, int], Network]] = {
    "brainnetcnn": BrainNetCNN,
    "brain-network-transformer": BrainNetworkTransformer,
}
SERIES_NETWORKS: dict[str, Callable[[int, int], Network]] = {
    "convolutional": ConvolutionalNetwork,
    "recurrent": RecurrentNetwork,
    "transformer": SeriesTransformer,
}


class NetworkRival(Rival):
    """Common to both kinds: training, dtype, storage of the network."""

    networks: ClassVar[dict[str, Callable[[int, int], Network]]]

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        if settings.architecture not in self.networks:
            raise ModelError(
                f"There is no network '{settings.architecture[:40]}' here.",
                f"Choose one of: {', '.join(self.networks)}.",
                code="model.settings",
            )
        self.settings = settings
        self.network: Network | None = None

    @property
    def fitted(self) -> bool:
        """Whether there is anything to ask."""
        return self.network is not None

    @abstractmethod
    def _prepare(self, people: People) -> TrainingPeople:
        """Fit the inputs' statistics on training people; their inputs."""

    def _make(self) -> Network:
        return self.networks[self.settings.architecture](self.settings.parcels, self.settings.width)

    def _learn(self, people: People, labels: Bools, seed: int, progress: Progress) -> None:
        self.settings = replace(self.settings, parcels=parcels_of(people))
        prepared = self._prepare(people)
        network, epochs = train(
            self._make, prepared, labels, self.settings.training, seed, progress
        )
        if not all_finite(network):
            raise ModelError(
                "Training ended in values that are not finite.",
                "Lower the learning rate.",
                code="model.not_finite",
            )
        self.network = network
        self.told = {"epochs": float(epochs)} | self._told(people)

    @abstractmethod
    def _told(self, people: People) -> dict[str, float]:
        """What was imputed."""

    def _network_in(self, dtype: torch.dtype) -> Network:
        """The network, in double precision where the inputs are."""
        assert self.network is not None
        return copy.deepcopy(self.network).double() if dtype == torch.float64 else self.network

    def _tensors(self) -> Mapping[str, Tensor]:
        assert self.network is not None
        state = {NETWORK + key: value for key, value in self.network.state_dict().items()}
        return {**state, **self._statistics()}

    @abstractmethod
    def _statistics(self) -> dict[str, Tensor]:
        """Fitted arrays beside the network, float64."""

    @abstractmethod
    def _statistic_shapes(self) -> dict[str, tuple[int, ...]]:
        """Their shapes."""

    @abstractmethod
    def _take_statistics(self, arrays: Mapping[str, Tensor]) -> None:
        """Take them from a file."""

    def trained_values(self) -> Floats:
        """(value,) weights and input statistics, float32, in the order of their names."""
        tensors = self._tensors()
        rows = [tensors[key].detach().cpu().double().numpy().ravel() for key in sorted(tensors)]
        return np.asarray(np.concatenate(rows), np.float32)

    def with_trained_values(self, values: Floats) -> Self:
        """The same network as another training left it."""
        tensors, start, found = self._tensors(), 0, dict[str, Tensor]()
        for key in sorted(tensors):
            old = tensors[key]
            piece = torch.from_numpy(np.array(values[start : start + old.numel()], np.float64))
            found[key], start = piece.reshape(old.shape).to(old.dtype), start + old.numel()
        other = copy.copy(self)
        other.network = copy.deepcopy(self.network)
        assert other.network is not None
        names = [key for key in found if key.startswith(NETWORK)]
        other.network.load_state_dict({key[len(NETWORK) :]: found[key] for key in names})
        other._take_statistics({key: found[key] for key in found if key not in names})
        return other

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        return cls(stored.settings_as(NetworkSettings))

    def _restore(self, stored: Stored) -> None:
        with torch.random.fork_rng(devices=[]):
            network = self._make()
        state = network.state_dict()
        expected = {NETWORK + key: (tuple(one.shape), one.dtype) for key, one in state.items()}
        expected |= {k: (shape, torch.float64) for k, shape in self._statistic_shapes().items()}
        arrays = stored.arrays(expected)
        self._take_statistics(arrays)
        network.load_state_dict({key: arrays[NETWORK + key] for key in state}, strict=True)
        network.eval().requires_grad_(False)
        self.network = network


# ---------------------------------------------------------------------------- matrix


@dataclass(frozen=True, slots=True)
class _Matrices:
    """`TrainingPeople` whose inputs are whole matrices."""

    inputs: Tensor  # (person, parcel, parcel) float32

    def draw(self, people: Ints, rng: np.random.Generator) -> Tensor:
        return self.inputs[torch.from_numpy(people)]

    def judge(self, network: nn.Module, person: int) -> float:
        return float(network(self.inputs[person : person + 1])[0])


class MatrixNetwork(NetworkRival):
    """A network on the connectivity matrix; unknown connections are the training mean.

    BrainNetCNN sees Fisher z minus the training mean; the Brain Network Transformer sees
    correlations as published, diagonal 1.
    """

    kind = "matrix-network"
    networks = MATRIX_NETWORKS

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.mean: Tensor | None = None  # (parcel, parcel) correlations

    def _prepare(self, people: People) -> TrainingPeople:
        self.mean = to_tensor(mean_correlation(people.connectivity))
        inputs = [self._input(to_tensor(one)) for one in people.connectivity]
        return _Matrices(torch.stack(inputs).float())

    def _input(self, matrix: Tensor) -> Tensor:
        assert self.mean is not None
        mean = self.mean.to(matrix)
        filled = torch.where(torch.isfinite(matrix), matrix, mean)
        if self.settings.architecture == "brain-network-transformer":
            eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
            return without_diagonal(filled) + eye
        return fisher_z(filled) - fisher_z(mean)

    def _log_odds(self, person: People) -> float:
        assert self.network is not None
        parcels_of(person, self.settings.parcels)
        with one_thread(), torch.no_grad():
            matrix = self._input(to_tensor(person.connectivity[0])).float()
            return float(self.network(matrix.unsqueeze(0))[0])

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """One person's log-odds, scalar; differentiable in the matrix, the series plays no part."""
        self._refuse_unfitted()
        network = self._network_in(connectivity.dtype)
        answer: Tensor = network(self._input(connectivity).unsqueeze(0))[0]
        return answer

    def _told(self, people: People) -> dict[str, float]:
        return {"imputed_parcels": float(missing_parcels(people.connectivity))}

    def _statistics(self) -> dict[str, Tensor]:
        assert self.mean is not None
        return {"mean_correlation": self.mean}

    def _statistic_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"mean_correlation": (self.settings.parcels, self.settings.parcels)}

    def _take_statistics(self, arrays: Mapping[str, Tensor]) -> None:
        self.mean = arrays["mean_correlation"]


# ---------------------------------------------------------------------------- series


@dataclass(frozen=True, slots=True)
class _Series:
    """`TrainingPeople` whose inputs are random crops in training, all windows when judged."""

    series: tuple[Tensor, ...]  # (frame, parcel) float32
    window: int

    def draw(self, people: Ints, rng: np.random.Generator) -> Tensor:
        crops = []
        for person in people:
            one = self.series[int(person)]
            start = int(rng.integers(len(one) - self.window + 1))
            crops.append(one[start : start + self.window].T)
        return torch.stack(crops)

    def judge(self, network: nn.Module, person: int) -> float:
        return float(network(windows_of(self.series[person], self.window)).mean())


class SeriesNetwork(NetworkRival):
    """A network on windows of the series: mean log-odds over windows of the whole scan."""

    kind = "series-network"
    networks = SERIES_NETWORKS

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        self.input: SeriesInput | None = None

    def _prepare(self, people: People) -> TrainingPeople:
        self.input = SeriesInput.fit(people)
        window = self.settings.window_frames
        shortest = min(len(one) for one in people.series)
        if shortest < window:
            raise ModelError(
                f"A scan has {shortest} usable frames; the model needs {window}.",
                "Leave out that scan or choose a shorter window; nothing is padded.",
                code="model.too_short",
            )
        return _Series(tuple(self._input(one) for one in people.series), window)

    def _input(self, series: Floats) -> Tensor:
        assert self.input is not None
        return self.input.scaled(to_tensor(self.input.filled(series))).float()

    def _log_odds(self, person: People) -> float:
        assert self.network is not None
        parcels_of(person, self.settings.parcels)
        with one_thread(), torch.no_grad():
            windows = windows_of(self._input(person.series[0]), self.settings.window_frames)
            return float(as_floats(self.network(windows)).mean())

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """One person's log-odds, scalar; differentiable in the series, the matrix plays no part."""
        self._refuse_unfitted()
        assert self.input is not None
        scaled = self.input.scaled(self.input.filled_of(series))
        network = self._network_in(series.dtype)
        answer: Tensor = network(windows_of(scaled, self.settings.window_frames)).mean()
        return answer

    def _told(self, people: People) -> dict[str, float]:
        return {"imputed_parcels": float(sum(missing_in(one).sum() for one in people.series))}

    def _statistics(self) -> dict[str, Tensor]:
        assert self.input is not None
        return self.input.tensors()

    def _statistic_shapes(self) -> dict[str, tuple[int, ...]]:
        return SeriesInput.shapes(self.settings.parcels)

    def _take_statistics(self, arrays: Mapping[str, Tensor]) -> None:
        self.input = SeriesInput.of(arrays)
