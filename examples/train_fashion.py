"""A convolutional network tells clothes apart (Fashion-MNIST, its official split: 60,000 to learn from, 10,000 held out).

    apt install dataset-fashion-mnist
    python examples/train_fashion.py [--compile] [--steps N] [--losses FILE]

With `import torch` in place of `import lampion as torch` it is a PyTorch script, and its losses are the same.
"""

from __future__ import annotations

import time

import numpy as np
from common import arguments, fashion, initial_weights, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

BATCH = 128


class Clothes(nn.Module):
    """Two convolutions with batch norm and pooling, two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.hidden, self.head = nn.Linear(32 * 7 * 7, 128), nn.Linear(128, 10)

    def forward(self, x):
        """[n, 1, 28, 28] -> logits [n, 10]"""
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.head(F.relu(self.hidden(torch.flatten(x, 1))))


def main():
    args = arguments("Tell clothes apart.", steps=2345, compiles=True)  # 5 times through all images
    rng = np.random.default_rng(0)
    images, kinds, held_images, held_kinds = map(torch.from_numpy, fashion())
    model = Clothes()
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(torch.from_numpy(weight))
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.004, total_steps=args.steps)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = torch.compile(step) if args.compile else step
    losses, order, start = [], rng.permutation(len(images)), time.perf_counter()
    for i in (bar := tqdm(range(args.steps))):
        place = i * BATCH % (len(images) - len(images) % BATCH)
        order = rng.permutation(len(images)) if i and not place else order
        rows = torch.from_numpy(order[place : place + BATCH])
        losses.append(step(images[rows], kinds[rows]).item())
        scheduler.step()
        bar.set_postfix(loss=losses[-1])
    seconds = time.perf_counter() - start
    write_losses(args.losses, losses)

    model.eval()
    with torch.no_grad():
        guesses = [model(held_images[i : i + 500]).argmax(1) for i in range(0, len(held_images), 500)]
    right = (torch.cat(guesses) == held_kinds).float().mean()
    accuracy = f"held-out accuracy {right.item():.4f}"
    print(f"loss {np.mean(losses[:10]):.4f} -> {np.mean(losses[-10:]):.4f} in {seconds:.0f} s, {accuracy}")


if __name__ == "__main__":
    main()
