"""Sequences of unequal length: padded, or packed step by step. PyTorch's `torch.nn.utils.rnn`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lampion.errors import UntraceableError
from lampion.ops.comparison import where
from lampion.ops.create import arange, full
from lampion.ops.index import IndexAdd
from lampion.ops.promote import as_tensor
from lampion.ops.shape import cat, stack
from lampion.symbolic import Spec
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
    """Packs [time, n, ...] (or [n, time, ...]) by the lengths [n]. While tracing, lengths that are
    not known count as not sorted, so that a model exported with `enforce_sorted` takes any order.

    Raises RuntimeError for lengths below 1 or, with `enforce_sorted`, that don't fall.
    """
    if isinstance(lengths, Tensor) and is_traced(lengths):
        return _pack_traced(input.transpose(0, 1) if batch_first else input, lengths)
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
    if is_traced(sequence.batch_sizes):
        return _pad_traced(sequence, batch_first, padding_value, total_length)
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


def is_traced(x: Tensor) -> bool:
    """Whether the numbers of x are not known, because a trace is being recorded."""
    return isinstance(x._value.data, Spec)


def spread(sequence: PackedSequence, time: Any = None) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """A packed sequence, made while tracing, as zeros [time, n, ...] with its rows in their places; the lengths [n], and the
    places. All in the packed order.
    """
    data, sizes, order, _ = sequence
    if order is None:
        raise UntraceableError(
            "a PackedSequence without sorted_indices does not tell its number of sequences while tracing",
            "packed._replace(data=...), which keeps them",
        )
    n = order.shape[0]
    mask = arange(n) < sizes.unsqueeze(1)
    step, place = mask.nonzero(as_tuple=True)
    shape = (sizes.shape[0] if time is None else time, n, *data.shape[1:])
    return IndexAdd(0, shape)(data, step, place), mask.sum(0), (step, place)


def _pack_traced(x: Tensor, lengths: Tensor) -> PackedSequence:
    """Packs [time, n, ...] by lengths that are not known."""
    order = lengths.argsort(descending=True, stable=True)
    mask = arange(x.shape[0]).unsqueeze(1) < lengths.index_select(0, order)
    step, place = mask.nonzero(as_tuple=True)
    sizes = mask.sum(1)
    return PackedSequence(x[step, order[place]], sizes[sizes > 0], order, order.argsort())


def _pad_traced(
    sequence: PackedSequence, batch_first: bool, padding_value: float, total_length: Any
) -> tuple[Tensor, Tensor]:
    out, lengths, _ = spread(sequence, total_length)
    if padding_value:
        counts = arange(out.shape[0]).unsqueeze(1) < lengths
        out = where(counts.reshape(*counts.shape, *[1] * (out.ndim - 2)), out, padding_value)
    assert sequence.unsorted_indices is not None
    out, lengths = out.index_select(1, sequence.unsorted_indices), lengths.index_select(0, sequence.unsorted_indices)
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
