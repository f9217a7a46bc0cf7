"""A Transformer encoder fills in the missing letter of an English word.

    python examples/train_transformer.py [--steps N] [--losses FILE]

The words are wordfreq's 10,000 most frequent ones of 4 to 12 letters; 1,000 are held out. Vaswani et al.,
https://arxiv.org/abs/1706.03762. With `import torch` in place of `import lampion as torch` it is a PyTorch script, and its
losses are the same.
"""

from __future__ import annotations

import numpy as np
from common import arguments, initial_weights, words, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

BATCH, HELD_OUT, WIDTH, LONGEST = 64, 1000, 64, 12
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PADDING, MISSING = 26, 27


class Filler(nn.Module):
    """Letters and where one is missing to the scores of that letter."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS) + 2, WIDTH)
        self.embed_place = nn.Embedding(LONGEST, WIDTH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 128, dropout=0.0, batch_first=True, norm_first=True) for _ in range(2)
        )
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(LETTERS))

    def forward(self, letters, place):
        """int64 [n, LONGEST] and int64 [n] -> [n, letters]"""
        x = self.embed(letters) + self.embed_place(torch.arange(LONGEST))
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=letters == PADDING)
        return self.head(self.norm(x[torch.arange(len(place)), place]))


def with_gaps(found, rng):
    """Words with one letter missing, int64 [n, LONGEST], where, int64 [n], and which, int64 [n]."""
    letters = np.full((len(found), LONGEST), PADDING, np.int64)
    for row, word in zip(letters, found, strict=True):
        row[: len(word)] = [LETTERS.index(c) for c in word]
    place = rng.integers(0, [len(word) for word in found])
    rows = np.arange(len(found))
    missing = letters[rows, place]
    letters[rows, place] = MISSING
    return [torch.from_numpy(array) for array in (letters, place, missing)]


def main():
    args = arguments("Fill in missing letters.", steps=600)
    rng = np.random.default_rng(0)
    known = [w for w in words("en", 30_000) if set(w) <= set(LETTERS) and 4 <= len(w) <= LONGEST][:10_000]
    rng.shuffle(known)
    model = Filler()
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(torch.from_numpy(weight))
    # The usual eps of 1e-8 would blow rounding errors up to whole steps where a gradient is 0, as that of a key's bias is.
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, eps=1e-6)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=args.steps)
    losses = []
    for _ in (bar := tqdm(range(args.steps))):
        letters, place, missing = with_gaps([known[i] for i in rng.integers(HELD_OUT, len(known), BATCH)], rng)
        loss = F.cross_entropy(model(letters, place), missing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        bar.set_postfix(loss=losses[-1])
    write_losses(args.losses, losses)

    model.eval()
    letters, place, missing = with_gaps(known[:HELD_OUT], rng)
    with torch.no_grad():
        right = (model(letters, place).argmax(1) == missing).float().mean().item()
    usual = np.bincount(missing.numpy()).max() / HELD_OUT
    print(
        f"loss {np.mean(losses[:10]):.3f} -> {np.mean(losses[-10:]):.3f}, held-out letters right {right:.3f} "
        f"(always the most frequent one: {usual:.3f})"
    )


if __name__ == "__main__":
    main()
