"""ResNet-18 over a connectivity matrix, as the released FMM_TC uses it, without torchvision.

He et al. 2016 (arXiv 1512.03385), 18 layers; parameter names and start values follow the common
implementation, so that 3-channel weights of that layout fit. The released model copies one
matrix into three equal channels: the first convolution then equals one over a single channel
with the three kernels summed, which is what runs here (`forward` takes one channel). The three
kernels stay separate parameters, so counts and training steps are the released ones: equal
channels give the three of them the same gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, images: Tensor) -> Tensor:
        """(batch, inputs, row, column) -> (batch, outputs, row / stride, column / stride)."""
        shortcut = images if self.downsample is None else self.downsample(images)
        inner = functional.relu(self.bn1(self.conv1(images)))
        return functional.relu(self.bn2(self.conv2(inner)) + shortcut)


class ResNet18(nn.Module):
    """18-layer residual network with a linear output of `outputs` values."""

    def __init__(self, outputs: int = 256) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, width in enumerate(WIDTHS, start=1):
            blocks = nn.Sequential(
                BasicBlock(inputs, width, 1 if number == 1 else 2), BasicBlock(width, width, 1)
            )
            self.add_module(f"layer{number}", blocks)
            inputs = width
        self.fc = nn.Linear(WIDTHS[-1], outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, matrices: Tensor) -> Tensor:
        """(batch, row, column) -> (batch, outputs): the three equal channels folded into one."""
        folded = self.conv1.weight.sum(dim=1, keepdim=True)
        first = functional.conv2d(matrices.unsqueeze(1), folded, stride=2, padding=3)
        return self._after_first(first)

    def forward_channels(self, images: Tensor) -> Tensor:
        """(batch, 3, row, column) -> (batch, outputs): the plain form, for comparison."""
        return self._after_first(self.conv1(images))

    def _after_first(self, hidden: Tensor) -> Tensor:
        hidden = functional.relu(self.bn1(hidden))
        hidden = functional.max_pool2d(hidden, 3, stride=2, padding=1)
        for number in range(1, len(WIDTHS) + 1):
            hidden = self.get_submodule(f"layer{number}")(hidden)
        answer: Tensor = self.fc(torch.mean(hidden, dim=(2, 3)))
        return answer
