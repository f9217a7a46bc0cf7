"""A bidirectional LSTM hyphenates English words: it tags every letter that begins a syllable.

    python examples/train_tagger.py [--steps N] [--losses FILE]

The words are real, the 6,000 most frequent ones; the tags are synthetic, made by the rule in `begins_syllable`. 1,000 words
are held out. With `import torch` in place of `import lampion as torch` it is a PyTorch script, and its losses are the same.
"""

from __future__ import annotations

import re

import numpy as np
from common import arguments, initial_weights, words, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

BATCH, HELD_OUT = 64, 1000
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PADDING = 0
IGNORED = -100
SYLLABLE = re.compile(r"(?:[bcdfgkpt][rl]|[cstpw]h|qu|[^aeiouy])?(?!e$)[aeiouy]+")


def begins_syllable(word):
    """For every letter 1 where a syllable begins: vowels but for a last e, with a consonant or a usual pair of them before."""
    starts = {match.start() for match in SYLLABLE.finditer(word)}
    first = min(starts, default=0)
    return [int(i == 0 or (i in starts and i != first)) for i in range(len(word))]


def padded(rows, value):
    """Lists of unequal length as int64 [n, longest]."""
    longest = max(map(len, rows))
    return np.array([row + [value] * (longest - len(row)) for row in rows], np.int64)


class Tagger(nn.Module):
    """Letters to two scores a letter."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS) + 1, 16, padding_idx=PADDING)
        self.lstm = nn.LSTM(16, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, 2)

    def forward(self, letters):
        """int64 [n, time] -> [n, time, 2]"""
        output, _ = self.lstm(self.embed(letters))
        return self.head(output)


def main():
    args = arguments("Hyphenate English words.", steps=300)
    rng = np.random.default_rng(0)
    vocabulary = [w for w in words("en", 8000) if set(w) <= set(LETTERS) and len(w) > 3][: 5000 + HELD_OUT]
    rng.shuffle(vocabulary)
    letters = padded([[LETTERS.index(c) + 1 for c in w] for w in vocabulary], PADDING)
    tags = padded([begins_syllable(w) for w in vocabulary], IGNORED)
    model = Tagger()
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(torch.from_numpy(weight))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in (bar := tqdm(range(args.steps))):
        rows = rng.integers(HELD_OUT, len(vocabulary), BATCH)
        width = max(len(vocabulary[i]) for i in rows)
        scores = model(torch.from_numpy(letters[rows, :width]))
        loss = F.cross_entropy(scores.reshape(-1, 2), torch.from_numpy(tags[rows, :width]).reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix(loss=losses[-1])
    write_losses(args.losses, losses)

    model.eval()
    with torch.no_grad():
        found = model(torch.from_numpy(letters[:HELD_OUT])).argmax(-1).numpy()
    wanted = tags[:HELD_OUT]
    whole = ((found == wanted) | (wanted == IGNORED)).all(1).mean()
    print(f"loss {np.mean(losses[:10]):.4f} -> {np.mean(losses[-10:]):.4f}, held-out words all right {whole:.3f}")
    for word, tagged in zip(vocabulary[:5], found, strict=False):
        print(" ", "".join("-" * (t and i > 0) + c for i, (c, t) in enumerate(zip(word, tagged, strict=False))))


if __name__ == "__main__":
    main()
