"""Sequences of unequal length: padded, or packed step by step. PyTorch's `torch.nn.utils.rnn`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lampion.ops.create import full
from lampion.ops.promote import as_tensor
from lampion.ops.shape import cat, stack
from lampion.tensor import Tensor


class PackedSequence(NamedTuple):
    """Sequences of falling length, step by step: `data` [steps of all, ...], and how many go on in each step.

    `sorted_indices` lead from the given order to that of falling length, `unsorted_indices` back.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With `data` converted."""
        return self._replace(data=self.data.to(*args, **kwargs))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that takes `permutation` back."""
    return None if permutation is None else as_tensor(np.argsort(permutation.numpy(), kind="stable"))


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs [time, n, ...] (or [n, time, ...]) by the lengths [n], which must be known.

    Raises RuntimeError for lengths below 1 or, with `enforce_sorted`, that don't fall.
    """
    known = np.asarray(lengths.numpy() if isinstance(lengths, Tensor) else lengths, np.int64)
    x = input.transpose(0, 1) if batch_first else input
    if known.shape != (x.shape[1],) or known.min(initial=1) < 1:
        raise RuntimeError(
            f"pack_padded_sequence: expected {x.shape[1]} lengths of at least 1, one a sequence, got {known.tolist()}"
        )
    if enforce_sorted:
        order = None
        if (np.diff(known) > 0).any():
            raise RuntimeError(
                "pack_padded_sequence: expected falling lengths; sort them, or pass enforce_sorted=False"
            )
    else:
        order = as_tensor(np.argsort(-known, kind="stable"))
        x, known = x.index_select(1, order), known[order.numpy()]
    sizes = np.array([(known > t).sum() for t in range(int(known.max(initial=0)))], np.int64)
    data = cat([x[t, : int(size)] for t, size in enumerate(sizes)])
    return PackedSequence(data, as_tensor(sizes), order, invert_permutation(order))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_padded_sequence`: [time, n, ...] (or [n, time, ...]), and the lengths [n].

    Raises ValueError for a `total_length` below the longest.
    """
    sizes = [int(n) for n in sequence.batch_sizes.numpy()]
    if total_length is not None and total_length < len(sizes):
        raise ValueError(f"pad_packed_sequence: expected total_length of at least {len(sizes)}, got {total_length}")
    n, rest = sizes[0], sequence.data.shape[1:]
    kind = sequence.data.dtype
    steps = []
    for piece in sequence.data.split(sizes):
        missing = n - piece.shape[0]
        steps.append(cat([piece, full((missing, *rest), padding_value, dtype=kind)]) if missing else piece)
    steps += [full((n, *rest), padding_value, dtype=kind)] * ((total_length or len(sizes)) - len(sizes))
    out = stack(steps)
    lengths = as_tensor(np.array([sum(size > i for size in sizes) for i in range(n)], np.int64))
    if sequence.unsorted_indices is not None:
        out = out.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return out.transpose(0, 1) if batch_first else out, lengths


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Tensors [length, ...] beside each other: [longest, n, ...] (or [n, longest, ...]), padded on one side."""
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: expected padding_side 'left' or 'right', got {padding_side!r}")
    longest = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        extra = longest - s.shape[0]
        around = [0, 0] * (s.ndim - 1) + ([0, extra] if padding_side == "right" else [extra, 0])
        padded.append(s.pad_constant(around, padding_value))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences in a padded tensor."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [x[i, : int(n)] for i, n in enumerate(lengths.numpy())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs tensors [length, ...]."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences in a packed one."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]
