"""A variational autoencoder learns to write digits (MNIST, 4,000 to learn from, 1,000 held out).

    python examples/train_vae.py [--steps N] [--losses FILE]

Kingma and Welling, https://arxiv.org/abs/1312.6114. The noise is drawn by numpy, so that every framework sees the same.
With `import torch` in place of `import lampion as torch` it is a PyTorch script, and its losses are the same.
"""

from __future__ import annotations

import numpy as np
from common import arguments, digits, initial_weights, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

BATCH, HIDDEN, LATENT = 64, 200, 12


class VAE(nn.Module):
    """Images to a normal distribution over codes, a code to the logits of an image."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))

    def forward(self, images, noise):
        """[n, 1, 28, 28] and noise [n, LATENT] -> logits [n, 784], means and log variances [n, LATENT]"""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        code = mean + torch.exp(0.5 * log_variance) * noise
        return self.decoder(code), mean, log_variance


def bound(model, images, noise):
    """The negative evidence lower bound, in nats per image."""
    logits, mean, log_variance = model(images, noise)
    missed = F.binary_cross_entropy_with_logits(logits, images.flatten(1), reduction="sum")
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return (missed + divergence) / len(images)


def normal(rng, count):
    """Noise for `count` images."""
    return torch.from_numpy(rng.standard_normal((count, LATENT)).astype(np.float32))


def main():
    args = arguments("Learn to write digits.", steps=620)
    rng = np.random.default_rng(0)
    images, _, held_images, _ = digits(held_out=1000)
    images, held_images = torch.from_numpy(images), torch.from_numpy(held_images)
    model = VAE()
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(torch.from_numpy(weight))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in (bar := tqdm(range(args.steps))):
        rows = torch.from_numpy(rng.integers(0, len(images), BATCH))
        loss = bound(model, images[rows], normal(rng, BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix(loss=losses[-1])
    write_losses(args.losses, losses)

    with torch.no_grad():
        held = bound(model, held_images, normal(rng, len(held_images)))
        drawn = torch.sigmoid(model.decoder(normal(rng, 4))).reshape(4, 28, 28).numpy()
    print(f"loss {np.mean(losses[:10]):.1f} -> {np.mean(losses[-10:]):.1f}, held-out bound {held.item():.1f} nats")
    for row in np.concatenate(list(drawn), axis=1)[::2]:
        print("".join(" .:+#"[min(int(value * 5), 4)] for value in row))


if __name__ == "__main__":
    main()
