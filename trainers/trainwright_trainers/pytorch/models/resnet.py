"""Residual networks (He et al. 2015, https://arxiv.org/abs/1512.03385), with the stride in a bottleneck's 3x3 layer."""

from typing import Literal

from pydantic import validate_call
from torch import Tensor, nn

from trainwright_trainers.runtime.arguments import STRICT, Size

Stem = Literal["imagenet", "small"]
"""`imagenet` divides height and width by 4 before the first block; `small` keeps them, for images of 8 to 64 pixels."""


def convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps height and width, but for its stride."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: [batch, channels_in, h, w] -> [batch, width, h / stride, w / stride]."""

    expansion = 1

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels_in, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = make_shortcut(channels_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Class docstring."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu(y + self.shortcut(x))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut: [batch, c, h, w] -> [batch, 4 width, h / stride, w / stride]."""

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        channels_out = width * self.expansion
        self.conv1 = convolution(channels_in, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, channels_out, 1)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = make_shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Class docstring."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + self.shortcut(x))
        return out


def make_shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The identity, or a 1x1 convolution where the block changes the shape."""
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(convolution(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))


class ResNet(nn.Module):
    """Images [batch, in_channels, height, width] -> logits [batch, classes]."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, ...],
        *,
        in_channels: int,
        classes: int,
        stem: Stem,
        width: int,
    ) -> None:
        super().__init__()
        self.stem = make_stem(in_channels, width, stem)
        stages: list[nn.Module] = []
        channels = width
        for index, depth in enumerate(depths):
            stages.append(make_stage(block, channels, width << index, depth, stride=1 if index == 0 else 2))
            channels = (width << index) * block.expansion
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        """Class docstring."""
        logits: Tensor = self.fc(self.pool(self.stages(self.stem(x))).flatten(1))
        return logits


def make_stem(in_channels: int, width: int, stem: Stem) -> nn.Sequential:
    """The layers before the first block."""
    if stem == "small":
        return nn.Sequential(convolution(in_channels, width, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    return nn.Sequential(
        convolution(in_channels, width, 7, stride=2),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


def make_stage(
    block: type[BasicBlock] | type[Bottleneck], channels: int, width: int, depth: int, stride: int
) -> nn.Sequential:
    """`depth` blocks, of which the first changes the shape."""
    first = block(channels, width, stride)
    return nn.Sequential(first, *(block(width * block.expansion, width, 1) for _ in range(depth - 1)))


def initialize(module: nn.Module) -> None:
    """He's initialization of convolutions (https://arxiv.org/abs/1502.01852)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


@validate_call(config=STRICT)
def resnet8(in_channels: Size = 1, classes: Size = 10, stem: Stem = "small", width: Size = 16) -> nn.Module:
    """One basic block in each of three stages: 78k parameters at the default width, for images of 8 to 32 pixels."""
    return ResNet(BasicBlock, (1, 1, 1), in_channels=in_channels, classes=classes, stem=stem, width=width)


@validate_call(config=STRICT)
def resnet18(in_channels: Size = 3, classes: Size = 1000, stem: Stem = "imagenet", width: Size = 64) -> nn.Module:
    """ResNet-18: 11.7M parameters at the defaults."""
    return ResNet(BasicBlock, (2, 2, 2, 2), in_channels=in_channels, classes=classes, stem=stem, width=width)


@validate_call(config=STRICT)
def resnet34(in_channels: Size = 3, classes: Size = 1000, stem: Stem = "imagenet", width: Size = 64) -> nn.Module:
    """ResNet-34: 21.8M parameters at the defaults."""
    return ResNet(BasicBlock, (3, 4, 6, 3), in_channels=in_channels, classes=classes, stem=stem, width=width)


@validate_call(config=STRICT)
def resnet50(in_channels: Size = 3, classes: Size = 1000, stem: Stem = "imagenet", width: Size = 64) -> nn.Module:
    """ResNet-50: 25.6M parameters at the defaults."""
    return ResNet(Bottleneck, (3, 4, 6, 3), in_channels=in_channels, classes=classes, stem=stem, width=width)
