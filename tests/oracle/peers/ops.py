"""Every entry of PyTorch's op_db beside lampion: forward, gradient, second gradient."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from oracle.peers.compare import DisagreementError, compare, compare_numbers, equal, name_of, tensors
from oracle.peers.convert import Converter, MissingError, array, find, is_wrapper, rebind, remember_arguments
from oracle.peers.outcome import Outcome, Status
from oracle.peers.pool import DATABASES
from oracle.peers.tally import Tally, TorchRefusesError, spread
from torch.testing._internal.common_methods_invocations import op_db

import lampion

KINDS = DATABASES["ops"]

# What these give is memory as it was found: only dtype and shape are defined.
UNINITIALISED = {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}

SEEDS = 12  # so many give the same numbers where nothing is drawn, and hardly elsewhere

# Of equal elements PyTorch leaves open which one's index is given.
TIES = {"topk", "kthvalue", "median", "nanmedian", "mode"}

# Decompositions that are unique up to a sign or phase of each vector. Where the numbers differ, what PyTorch's own tests
# look at (output_process_fn_grad: absolute values, say) must agree.
UP_TO_A_PHASE = {"svd", "linalg.svd", "linalg.eigh", "linalg.eig"}


@cache
def entries() -> dict[str, Any]:
    """PyTorch's entries by name, with the variant behind a slash: `div/floor_rounding`."""
    remember_arguments()
    return {"/".join(filter(None, (op.name, op.variant_test_name))): op for op in op_db}


def names() -> list[str]:
    """The names of all entries."""
    return list(entries())


def run(name: str, *, full: bool = False) -> dict[str, Outcome]:
    """Compares all samples of one entry (60 evenly spread ones of each dtype, unless `full`)."""
    op = entries()[name]
    if not op.dtypes:
        return dict.fromkeys(KINDS, Outcome(Status.NOTHING, "PyTorch has it for no dtype on the CPU"))
    try:
        ours = counterpart(op)
    except MissingError as error:
        missing = Outcome(Status.MISSING, str(error))
        differentiable = [True, op.supports_autograd, op.supports_autograd and op.supports_gradgrad]
        return {k: missing if has else Outcome(Status.NOTHING) for k, has in zip(KINDS, differentiable, strict=True)}
    first, second = gradients(op, ours, full)
    return dict(zip(KINDS, (forward(op, ours, full), first, second), strict=True))


def counterpart(op: Any) -> Any:
    """What stands in lampion where PyTorch has the op. Raises MissingError."""
    if is_wrapper(op.op):
        return rebind(op.op)
    is_method = not isinstance(op.op, torch._ops.OpOverload | torch._ops.OpOverloadPacket) and hasattr(
        torch.Tensor, op.name
    )
    if is_method and not callable(getattr(torch, op.name, None)):  # torch.cfloat is a dtype, x.cfloat() the op
        return find(f"Tensor.{op.name}")
    try:
        return find(op.name)
    except MissingError as error:
        if is_method and hasattr(lampion.Tensor, op.name):
            raise MissingError(f"{error} (there is only the method)") from None
        raise


def forward(op: Any, ours: Any, full: bool) -> Outcome:
    """Results for float32 and int64 samples; for complex64 ones where the op has neither."""
    wanted = [d for d in (torch.float32, torch.int64) if d in op.dtypes] or [torch.complex64]
    tally = Tally()
    for dtype in wanted:
        for label, sample in samples(op, dtype, full, requires_grad=False):
            arguments = sample.input, sample.args, sample.kwargs
            try:
                converted = Converter()(arguments)
                expected, numbers = accepted(op, arguments)
            except TorchRefusesError as refusal:
                tally.refused(label, refusal)
                continue
            except Exception as error:
                tally.fails(label, error)
                continue
            tally.compared += 1
            tally.random |= not numbers
            try:
                got = call(ours, converted)
                _compare_results(op, sample, got, expected, numbers)
            except Exception as error:
                tally.fails(label, error)
    return tally.outcome()


def gradients(op: Any, ours: Any, full: bool) -> tuple[Outcome, Outcome]:
    """First and second gradients for float64 samples (complex128 where the op has no float64)."""
    first, second = Tally(), Tally()
    if op.supports_autograd:
        dtype = torch.float64 if torch.float64 in op.dtypes else torch.complex128
        for label, sample in samples(op, dtype, full, requires_grad=True):
            try:
                pair = Pair(op, ours, sample)
            except TorchRefusesError as refusal:
                for tally in (first, second):
                    tally.refused(label, refusal)
                continue
            except Exception as error:
                for tally in (first, second):
                    tally.fails(label, error)
                continue
            if pair.random:
                first.random = second.random = True
            elif pair.differentiable:
                pair.compare_first(first, label)
                if op.supports_gradgrad:
                    pair.compare_second(second, label)
    return first.outcome(), second.outcome()


class Pair:
    """One sample on both sides: inputs, results, gradients of the results' weighted sum."""

    def __init__(self, op: Any, ours: Any, sample: Any) -> None:
        arguments = sample.input, sample.args, sample.kwargs
        convert = Converter()
        converted = convert(arguments)
        self.their_leaves, self.our_leaves = [t for t, _ in convert.leaves], [t for _, t in convert.leaves]
        theirs, numbers = accepted(op, arguments)
        self.random = not numbers
        expected = tensors(sample.output_process_fn_grad(theirs))
        differentiable = [i for i, t in enumerate(expected) if t.requires_grad]
        self.their_outputs = [expected[i] for i in differentiable]
        self.differentiable = bool(differentiable and self.their_leaves) and self._torch_first()
        if self.random or not self.differentiable:
            return
        got = tensors(rebind(sample.output_process_fn_grad)(call(ours, converted)))
        if len(got) != len(expected):
            raise DisagreementError(f"expected {len(expected)} tensors, got {len(got)}")
        self.our_outputs = [got[i] for i in differentiable]

    def _torch_first(self) -> bool:
        """Whether PyTorch gives the first gradients, which are then kept."""
        self.weights = [weight(t, i).requires_grad_() for i, t in enumerate(self.their_outputs)]
        try:
            self.their_first = torch.autograd.grad(
                self.their_outputs, self.their_leaves, self.weights, create_graph=True, allow_unused=True
            )
        except (RuntimeError, NotImplementedError):
            return False
        return True

    def compare_first(self, tally: Tally, label: str) -> None:
        """Gradients with respect to all inputs that require grad."""
        tally.compared += 1
        self.our_weights = [lampion.from_numpy(array(w)).requires_grad_() for w in self.weights]
        self.our_first: Any = None
        try:
            self.our_first = lampion.autograd.grad(
                self.our_outputs, self.our_leaves, self.our_weights, create_graph=True, allow_unused=True
            )
            compare_gradients(self.our_first, self.their_first, "gradient")
        except Exception as error:
            tally.fails(label, error)

    def compare_second(self, tally: Tally, label: str) -> None:
        """Gradients of the weighted sum of first gradients, with respect to inputs and to the first weights."""
        chosen = [i for i, g in enumerate(self.their_first) if g is not None and g.requires_grad]
        weights = [weight(self.their_first[i], i) for i in chosen]
        leaves = [*self.their_leaves, *self.weights]
        try:
            expected = torch.autograd.grad([self.their_first[i] for i in chosen], leaves, weights, allow_unused=True)
        except (RuntimeError, NotImplementedError):
            return
        tally.compared += 1
        try:
            if self.our_first is None:
                raise DisagreementError("no first gradient to go on from")
            pairs = [(self.our_first[i], w) for i, w in zip(chosen, weights, strict=True)]
            pairs = [(g, lampion.from_numpy(array(w))) for g, w in pairs if g is not None and g.requires_grad]
            ours = [*self.our_leaves, *self.our_weights]
            got: Any = [None] * len(ours)
            if pairs:
                got = lampion.autograd.grad([g for g, _ in pairs], ours, [w for _, w in pairs], allow_unused=True)
            compare_gradients(got, expected, "second gradient")
        except Exception as error:
            tally.fails(label, error)


def compare_gradients(ours: Any, theirs: Any, what: str) -> None:
    """Raises DisagreementError where two lists of gradients differ first; None is as good as zeros."""
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a is None and b is None:
            continue
        where = f"{what} {i}"
        if a is None or b is None:
            lone = array(b) if a is None else a.detach().numpy()
            if np.any(lone):
                raise DisagreementError(f"{where}: {'lampion' if a is None else 'PyTorch'} gives none")
            continue
        compare(a, b, where=where)


def samples(op: Any, dtype: torch.dtype, full: bool, requires_grad: bool) -> Iterator[tuple[str, Any]]:
    """PyTorch's samples of an entry, the same in every run, each with a label."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    many = list(op.sample_inputs("cpu", dtype, requires_grad=requires_grad))
    for i, sample in spread(many, full):
        yield f"{name_of(dtype)} sample {i}", sample


def accepted(op: Any, arguments: Any) -> tuple[Any, bool]:
    """PyTorch's result, and whether its numbers are defined: not where they are drawn, or memory as it was found.

    Raises TorchRefusesError where PyTorch raises.
    """
    theirs = rebind(op.op, torch)
    try:
        seeds = range(SEEDS if draws(op.op) else 0)
        again = [copied(arguments) for _ in seeds]  # before a function that works in place changes them
        result = call(theirs, arguments)
        for seed, other in zip(seeds, again, strict=True):
            torch.manual_seed(seed)
            if not equal(result, call(theirs, other)):
                return result, False
    except Exception as error:
        raise TorchRefusesError(str(error)) from error
    return result, op.name not in UNINITIALISED


def draws(f: Any) -> bool:
    """Whether PyTorch's tests fix the seed around it: what does not draw they leave alone."""
    return is_wrapper(f) and "wrapper_set_seed" in f.__code__.co_names


def call(f: Any, arguments: Any) -> Any:
    """f(input, *args, **kwargs)"""
    input, args, kwargs = arguments
    return f(input, *args, **kwargs)


def copied(x: Any) -> Any:
    """The same arguments in other memory, off the graph."""
    if isinstance(x, torch.Tensor):
        return x.detach().clone()
    if isinstance(x, dict):
        return {k: copied(v) for k, v in x.items()}
    return type(x)(map(copied, x)) if type(x) in (list, tuple) else x


def weight(t: Any, i: int) -> Any:
    """Normal numbers of the dtype and shape of `t`, the same for every `t` so shaped."""
    generator = torch.Generator().manual_seed(i)
    return torch.randn(t.shape, dtype=t.dtype, generator=generator)


def _compare_results(op: Any, sample: Any, got: Any, expected: Any, numbers: bool) -> None:
    try:
        compare(got, expected, numbers=numbers)
    except DisagreementError:
        if op.name in TIES and _another_of_equals(sample.input, got, expected):
            return
        if op.name not in UP_TO_A_PHASE:
            raise
        compare(got, expected, numbers=False)
        processed = rebind(sample.output_process_fn_grad)(got), sample.output_process_fn_grad(expected)
        for a, b in zip(*map(tensors, processed), strict=True):
            compare_numbers(a, b, "output up to a phase")


def _another_of_equals(input: Any, got: Any, expected: Any) -> bool:
    """Whether the values agree, and our indices lead to them along some dim, none of them twice."""
    if not isinstance(expected, tuple) or len(expected) != 2:
        return False
    compare(got, expected, numbers=False)
    compare_numbers(got[0], expected[0], "values")
    x, indices, values = array(input), got[1].numpy(), array(expected[0])
    if not x.ndim:
        return not indices.any()
    for dim in range(x.ndim):
        i, v = (indices, values) if indices.ndim == x.ndim else (np.expand_dims(a, dim) for a in (indices, values))
        lengths = [(n, m) for axis, (n, m) in enumerate(zip(i.shape, x.shape, strict=True)) if axis != dim]
        if all(n == m for n, m in lengths) and i.min(initial=0) >= 0 and i.max(initial=0) < x.shape[dim]:
            ordered = np.sort(i, dim)
            distinct = (np.diff(ordered, axis=dim) > 0).all()
            if distinct and np.array_equal(np.take_along_axis(x, i, dim), v, equal_nan=x.dtype.kind == "f"):
                return True
    return False
