"""A recurrent network tells the language of a word, of ten that share the Latin alphabet.

    python examples/train_languages.py [--steps N] [--losses FILE]

The words are wordfreq's, of 2 to 28 letters; those that two of the languages share are left out, and every tenth of the
others, shuffled with seed 0, is held out. Words of about the same length share a batch. With `import torch` in place of
`import lampion as torch` it is a PyTorch script, and its losses are the same.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from common import arguments, initial_weights, words, write_losses
from tqdm import tqdm

import lampion as torch

nn = torch.nn
F = nn.functional

LANGUAGES = ["cs", "de", "en", "es", "fi", "fr", "it", "pl", "pt", "tr"]
WORDS, BATCH = 20_000, 256


class WordReader(nn.Module):
    """Letters and lengths to the scores of the languages."""

    def __init__(self, letters):
        super().__init__()
        self.embed = nn.Embedding(letters, 32)
        self.rnn = nn.GRU(32, 128, batch_first=True)
        self.head = nn.Linear(128, len(LANGUAGES))

    def forward(self, letters, lengths):
        """int64 [n, time], which may be padded, and int64 [n] -> [n, languages]"""
        states, _ = self.rnn(self.embed(letters))
        return self.head(states[torch.arange(len(lengths)), lengths - 1])


def samples():
    """Words with the number of their language, shuffled: those to learn from, and those held out."""
    found = [(word, i) for i, language in enumerate(LANGUAGES) for word in words(language, WORDS)]
    often = Counter(word for word, _ in found)
    own = [(word, i) for word, i in found if often[word] == 1]
    own = [own[i] for i in np.random.default_rng(0).permutation(len(own))]
    return [s for i, s in enumerate(own) if i % 10], own[::10]


def batches(found, numbers):
    """Letters [n, time], lengths [n] and languages [n] of every batch, from the shortest words to the longest."""
    found = sorted(found, key=lambda sample: len(sample[0]))
    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]
        letters = np.zeros((len(part), len(part[-1][0])), np.int64)
        for row, (word, _) in zip(letters, part, strict=True):
            row[: len(word)] = [numbers.get(c, 0) for c in word]
        lengths, languages = np.array([len(w) for w, _ in part]), np.array([i for _, i in part])
        yield torch.from_numpy(letters), torch.from_numpy(lengths), torch.from_numpy(languages)


def main():
    args = arguments("Tell the language of a word.", steps=700)
    rng = np.random.default_rng(0)
    training, held_out = samples()
    letters = sorted({c for word, _ in training for c in word})
    numbers = {c: i + 1 for i, c in enumerate(letters)}
    model = WordReader(len(numbers) + 1)
    with torch.no_grad():
        for p, weight in zip(model.parameters(), initial_weights(model, rng), strict=True):
            p.copy_(torch.from_numpy(weight))
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    sorted_batches = list(batches(training, numbers))
    losses = []
    for _ in (bar := tqdm(range(args.steps))):
        text, lengths, languages = sorted_batches[rng.integers(len(sorted_batches))]
        loss = F.cross_entropy(model(text, lengths), languages)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        bar.set_postfix(loss=losses[-1])
    write_losses(args.losses, losses)

    right = 0
    with torch.no_grad():
        for text, lengths, languages in batches(held_out, numbers):
            right += (model(text, lengths).argmax(1) == languages).sum().item()
    print(
        f"{len(training)} words, loss {np.mean(losses[:10]):.3f} -> {np.mean(losses[-10:]):.3f}, "
        f"held-out accuracy {right / len(held_out):.3f} of {len(held_out)}"
    )


if __name__ == "__main__":
    main()
