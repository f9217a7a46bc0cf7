"""A convolutional network reads handwritten digits (MNIST, 4,000 to learn from, 1,000 held out).

    python examples/train_cnn.py [--steps N] [--losses FILE]

With `import torch` in place of `import lampion as torch` it is a PyTorch script, and its losses are the same.
"""

from __future__ import annotations

import numpy as np
from common import arguments, digits, initial_weights, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

BATCH = 64


class Digits(nn.Module):
    """Two convolutions with batch norm and pooling, two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.hidden, self.head = nn.Linear(32 * 7 * 7, 64), nn.Linear(64, 10)

    def forward(self, x):
        """[n, 1, 28, 28] -> logits [n, 10]"""
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.head(F.relu(self.hidden(torch.flatten(x, 1))))


def main():
    args = arguments("Read handwritten digits.", steps=310)
    rng = np.random.default_rng(0)
    images, numbers, held_images, held_numbers = map(torch.from_numpy, digits(held_out=1000))
    model = Digits()
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(torch.from_numpy(weight))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    losses = []
    for _ in (bar := tqdm(range(args.steps))):
        rows = torch.from_numpy(rng.integers(0, len(images), BATCH))
        loss = F.cross_entropy(model(images[rows]), numbers[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        bar.set_postfix(loss=losses[-1])
    write_losses(args.losses, losses)

    model.eval()
    with torch.no_grad():
        right = (model(held_images).argmax(1) == held_numbers).float().mean()
    print(f"loss {np.mean(losses[:10]):.4f} -> {np.mean(losses[-10:]):.4f}, held-out accuracy {right.item():.3f}")


if __name__ == "__main__":
    main()
