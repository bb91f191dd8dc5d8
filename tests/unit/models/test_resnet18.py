"""The released connectivity encoder: counts, folding, gradients."""

from __future__ import annotations

import torch

from app.models.resnet18 import ResNet18


def _seeded(outputs: int = 256) -> ResNet18:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return ResNet18(outputs)


def test_that_the_parameter_count_is_the_released_one():
    assert sum(p.numel() for p in _seeded().parameters()) == 11_307_840
    assert sum(p.numel() for p in _seeded(1000).parameters()) == 11_689_512  # the common one


def test_that_one_folded_channel_equals_three_equal_channels():
    model = _seeded().eval()
    matrices = torch.randn(2, 37, 37, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = model.forward_channels(matrices[:, None].expand(-1, 3, -1, -1))
        torch.testing.assert_close(model(matrices), plain, rtol=1e-5, atol=1e-6)


def test_that_folding_trains_like_three_equal_channels():
    matrices = torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(2))
    gradients = []
    for folded in (True, False):
        model = _seeded().double().train()
        inputs = matrices.double()
        out = (
            model(inputs)
            if folded
            else model.forward_channels(inputs[:, None].expand(-1, 3, -1, -1))
        )
        out.square().sum().backward()
        gradients.append(model.conv1.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradients[0][:, 0], gradients[0][:, 2])


def test_that_the_depth_of_the_map_is_that_of_the_paper():
    model = _seeded().eval()
    seen: list[tuple[int, ...]] = []
    model.layer4.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape)))
    with torch.no_grad():
        model(torch.zeros(1, 424, 424))
    assert seen == [(1, 512, 14, 14)]
