"""The layers that are written here, beside the sums that define them; epochs chosen inside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.brain_network_transformer import BrainNetworkTransformer
from app.models.baselines.brainnetcnn import BrainNetCNN, EdgeToEdge
from app.models.baselines.network_response import MatrixNetwork, NetworkSettings
from app.models.baselines.series_input import SeriesInput, missing_in, windows_of
from app.models.baselines.training_loop import Network, Training, train
from tests.unit.models.baselines.planted import PARCELS, cohort, make


def test_that_an_edge_sees_its_row_and_its_column():
    layer = EdgeToEdge(2, 3, 5)
    matrix = torch.randn(1, 2, 5, 5)
    found = layer(matrix)
    row, column = layer.row.weight[:, :, 0], layer.column.weight[:, :, :, 0]
    for i, j in ((0, 4), (3, 1), (2, 2)):
        expected = torch.einsum("fck,ck->f", row, matrix[0, :, i]) + layer.row.bias
        expected = expected + torch.einsum("fck,ck->f", column, matrix[0, :, :, j])
        torch.testing.assert_close(
            found[0, :, i, j], expected + layer.column.bias, atol=1e-5, rtol=0
        )


def test_that_published_sizes_are_the_default():
    network = BrainNetCNN(9)
    shapes = [tuple(one.weight.shape) for one in (network.node, network.graph, network.dense1)]
    assert shapes == [(64, 32, 1, 9), (256, 64, 9, 1), (128, 256)]
    transformer = BrainNetworkTransformer(424)
    assert transformer.centres.shape == (100, 424)
    assert transformer.attention[0].self_attn.num_heads == 4
    assert transformer.attention[0].linear1.out_features == 1024


def test_that_cluster_centres_are_orthonormal_and_stay():
    people = cohort(16, 0)
    model = people.fit(make("brain-network-transformer"))
    assert isinstance(model, MatrixNetwork)
    assert model.network is not None
    centres = model.network.centres
    torch.testing.assert_close(centres @ centres.T, torch.eye(len(centres)), atol=1e-6, rtol=0)
    assert not any("centres" in name for name, _ in model.network.named_parameters())


def test_that_the_readout_does_not_depend_on_the_order_of_rows():
    # attention and clustering are sums over parcels; only a row's content counts
    torch.manual_seed(0)
    network = BrainNetworkTransformer(6, clusters=3, inner=8).eval()
    matrix, order = torch.randn(1, 6, 6), torch.randperm(6)
    with torch.no_grad():
        torch.testing.assert_close(network(matrix), network(matrix[:, order]), atol=1e-6, rtol=0)


# ---------------------------------------------------------------------------- epochs


class Constant(Network):
    """Moves its only bias; training overshoots at once."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(inputs).squeeze(1)


class Flipping:
    """Validation people whose outcomes contradict what training people teach."""

    def __init__(self, labels: np.ndarray) -> None:
        self.inputs = torch.from_numpy(np.where(labels, 1.0, -1.0).astype(np.float32))[:, None]
        self.judged: list[int] = []

    def draw(self, people, rng):
        return self.inputs[torch.from_numpy(people)]

    def judge(self, network, person):
        self.judged.append(person)
        return -float(network(self.inputs[person : person + 1])[0])


def test_that_the_epoch_with_the_least_inner_loss_is_chosen():
    labels = np.arange(12) % 2 == 0
    training = Training(epochs=6, folds=3, batch=4, learning_rate=0.1)
    people = Flipping(labels)
    _, chosen = train(Constant, people, labels, training, 0, Progress())
    assert chosen == 1  # every further epoch makes it worse
    assert sorted(set(people.judged)) == list(range(12))
    assert len(people.judged) == 12 * 6  # each person by networks that did not see them, once

    class Agreeing(Flipping):
        def judge(self, network, person):
            return -super().judge(network, person)

    network, chosen = train(Constant, Agreeing(labels), labels, training, 0, Progress())
    assert chosen == 6
    assert not any(value.requires_grad for value in network.parameters())
    assert not network.training


def test_that_an_inner_fold_stops_when_it_no_longer_improves():
    labels = np.arange(12) % 2 == 0
    training = Training(epochs=50, patience=3, folds=3, batch=4, learning_rate=0.1)
    people = Flipping(labels)
    _, chosen = train(Constant, people, labels, training, 0, Progress())
    assert chosen == 1
    assert len(people.judged) == 12 * (1 + 3)


def test_that_a_fit_leaves_torch_as_it_was():
    torch.manual_seed(3)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    cohort(16, 0).fit(make("series-convolutional"))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_that_another_seed_gives_another_network():
    people = cohort(16, 0)
    first, second = (people.fit(make("series-recurrent"), seed) for seed in (0, 1))
    assert not np.array_equal(people.asked(first), people.asked(second))


@pytest.mark.parametrize("name", ["series-convolutional", "brain-network-transformer"])
def test_that_trained_values_are_all_of_a_network(name):
    """One network with the values of another answers as that one; the first stays as it was."""
    people, others = cohort(16, 0), cohort(18, 3)
    first, second = people.fit(make(name), 0), others.fit(make(name), 1)
    before, wanted = people.asked(first), people.asked(second)
    values = second.trained_values()
    assert values.dtype == np.float32
    found = people.asked(first.with_trained_values(values))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(people.asked(first), before)
    assert np.abs(before - wanted).max() > 1e-3


# ---------------------------------------------------------------------------- series


def test_that_a_missing_parcel_borrows_its_likeliest_neighbour():
    people = cohort(20, 0, missing=False)
    matrices = people.connectivity.copy()
    matrices[:, 3, 6] = matrices[:, 6, 3] = 0.9
    matrices[:, 3, 7] = matrices[:, 7, 3] = 0.7
    model = replace(people, connectivity=matrices).fit(make("series-convolutional"))
    fitted = model.input
    assert isinstance(fitted, SeriesInput)
    series = people.series[0].copy()
    series[4, 3] = np.nan
    np.testing.assert_array_equal(fitted.filled(series)[:, 3], series[:, 6])
    series[:, 6] = 2.0  # constant: unusable as well
    assert list(np.flatnonzero(missing_in(series))) == [3, 6]
    np.testing.assert_array_equal(fitted.filled(series)[:, 3], series[:, 7])
    with pytest.raises(ModelError, match="No parcel"):
        fitted.filled(np.zeros((40, PARCELS)))


def test_that_a_parcel_missing_in_everybody_is_refused():
    people = cohort(16, 0)
    series = [one.copy() for one in people.series]
    for one in series:
        one[:, 2] = np.nan
    with pytest.raises(ModelError, match="1 parcels are missing in all"):
        replace(people, series=series).fit(make("series-convolutional"))


def test_that_windows_cover_the_scan():
    series = torch.arange(24.0).view(12, 2)
    found = windows_of(series, 5)
    assert found.shape == (5, 2, 5)
    assert [int(one[0, 0]) // 2 for one in found] == [0, 2, 4, 6, 7]


def test_that_a_short_scan_and_an_unknown_network_are_refused():
    people = cohort(16, 0)
    short = replace(people, series=[one[:29] for one in people.series])
    with pytest.raises(ModelError, match="29 usable frames; the model needs 30"):
        short.fit(make("series-transformer"))
    with pytest.raises(ModelError, match="no network 'resnet'"):
        MatrixNetwork(NetworkSettings("resnet", 8))
