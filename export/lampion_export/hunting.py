"""The search for inputs that take ways through a model which no input before has taken.

Every candidate first runs through the copy that counts (`branches.Watch`): one that would not end is dropped, one that goes
where others went costs nothing more, and only the rest run eagerly. Bounded in tries and in time; the same every time, unless
time runs out.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from time import perf_counter

import numpy as np

from lampion_edge import EdgeError
from lampion_export.branches import Taken, Watch, Way
from lampion_export.candidates import Array, between, constants, mutated, noise, resized, variants
from lampion_export.comparison import Check, Late
from lampion_export.trace import Dynamic, Example, axis_names

Shapes = tuple[tuple[int, ...], ...]
# ways taken together, the magnitude of the number of choices and turns, whether at the sizes of the example
Key = tuple[Taken, int, bool]

TRIES = 400
SECONDS = 3.0  # for that many tries
STEPS = 2_000_000  # choices and turns after which a file is said not to end
ENOUGH = 3  # inputs that are compared for one set of ways, while they don't count
PAIRS, HALVINGS = 8, 12


class Log:
    """What was compared, and the ways it took. Without a watch, only what was compared."""

    def __init__(self, check: Callable[[str, Example, float], Check], watch: Watch | None) -> None:
        self.check, self.watch = check, watch
        self.checks: list[Check] = []
        self.found: dict[Key, Example] = {}
        self.limit, self.patience = STEPS, float("inf")
        self.tried = 0
        self._inputs: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._compared: Counter[Key] = Counter()
        self._shapes: Shapes = ()

    def ways(self) -> tuple[Way, ...]:
        """Every way, and how many inputs took it."""
        ways = self.watch.ways if self.watch else []
        return tuple(replace(w, inputs=self._inputs[i], refused=self._refused[i]) for i, w in enumerate(ways))

    def start(self, example: Example) -> None:
        """Compares the example, whose cost limits all others. Raises what the model raises."""
        self._shapes = _shapes(example)
        taken, steps = self._look(example)
        started = perf_counter()
        endless = Check("example", float("inf"), 0.0, f"the file makes more than {STEPS} choices and turns")
        check = endless if steps >= STEPS else self.check("example", example, float("inf"))
        self._keep(example, taken, steps, check)
        if self.watch is not None:
            self.limit = min(STEPS, max(10_000, 20 * steps))
            self.patience = max(SECONDS, 20 * (perf_counter() - started))

    def compare(self, what: str, inputs: Example, until: float | None = None) -> str:
        """Compares inputs; why not, if the model refuses them or would not end."""
        taken, steps = self._look(inputs)
        if steps >= self.limit:
            return f"the model makes more than {self.limit} choices and turns"
        return self._compare(what, inputs, taken, steps, until)

    def meet(self, what: str, inputs: Example, until: float, always: bool = False) -> Taken:
        """Compares inputs if they go as nothing compared has gone, or always; gives the ways they take."""
        self.tried += 1
        taken, steps = self._look(inputs)
        key = self._key(taken, steps, inputs)
        if steps < self.limit and (always or (key not in self.found and self._compared[key] < ENOUGH)):
            self._compare(what, inputs, taken, steps, until)
        return taken

    def _key(self, taken: Taken, steps: int, inputs: Example) -> Key:
        return taken, steps.bit_length(), _shapes(inputs) == self._shapes

    def _look(self, inputs: Example) -> tuple[Taken, int]:
        """The ways that inputs take, and their number of choices and turns; none, where the file fails."""
        if self.watch is None:
            return frozenset(), 0
        try:
            return self.watch.taken(inputs, self.limit)
        except EdgeError:
            return frozenset(), 0

    def _compare(self, what: str, inputs: Example, taken: Taken, steps: int, until: float | None) -> str:
        self._compared[self._key(taken, steps, inputs)] += 1
        limit = perf_counter() + self.patience if until is None else until
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what odd numbers make numpy say is not about the user's data
                check = self.check(what, inputs, limit)
        except Late:
            return "the model takes too long"
        except Exception as error:  # whatever a user's model raises for an input it does not take
            self._refused.update(taken)
            return str(error)
        self._keep(inputs, taken, steps, check)
        return ""

    def _keep(self, inputs: Example, taken: Taken, steps: int, check: Check) -> None:
        self.checks.append(check)
        if not check.boundary:
            self._inputs.update(taken)
            self.found.setdefault(self._key(taken, steps, inputs), inputs)


class Hunt:
    """One search, from the inputs that a Log found so far."""

    def __init__(self, log: Log, example: Example, dynamic: Dynamic, numbers: Sequence[float], tries: int) -> None:
        self.log, self.example, self.dynamic, self.numbers, self.tries = log, example, dynamic, numbers, tries
        self.rng = np.random.default_rng(1)
        self.half = perf_counter() + SECONDS * tries / TRIES / 2
        self.until = self.half + SECONDS * tries / TRIES / 2

    def run(self) -> None:
        """What is systematic first, then the boundaries between what was found, then chance while a way is missing."""
        with np.errstate(all="ignore"):
            self._run()

    def _run(self) -> None:
        self._systematic()
        self._boundaries()
        while self._more() and any(not way.inputs for way in self.log.ways()):
            self._meet("changed at random", self._random())

    @property
    def in_time(self) -> bool:
        """Whether there is time left."""
        return perf_counter() < self.until

    def _more(self) -> bool:
        return self.log.tried < self.tries and self.in_time

    def _meet(self, what: str, inputs: Example, always: bool = False) -> Taken | None:
        """The ways that inputs take, unless the search is over; in the second half of the time none are `always` compared."""
        if not self._more():
            return None
        always = always and perf_counter() < self.half
        return self.log.meet(f"hunted {self.log.tried + 1}: {what}", inputs, self.until, always)

    def _systematic(self) -> None:
        for axis in axis_names(self.dynamic):
            for size in (0, 1, 2, 3):
                self._meet(f"{axis} = {size}", self._sized({axis: size}))
        # compared even where they go as others did: a wrong file may not know that there is another way
        self._each(self.example, lambda a: constants(a, self.numbers), always=True)
        self._each(self.example, variants, always=True)
        self._each(self._sized({}), variants)

    def _each(
        self, base: Example, changes: Callable[[Array], Iterator[tuple[str, Array]]], always: bool = False
    ) -> None:
        """Every change of all inputs at once, then of each alone."""
        changed = {name: dict(changes(array)) for name, array in base.items()}
        for what in dict.fromkeys(what for each in changed.values() for what in each):
            self._meet(what, {name: changed[name].get(what, array) for name, array in base.items()}, always)
        for name in base if len(base) > 1 else ():
            for what, array in changed[name].items():
                self._meet(f"{name} {what}", {**base, name: array}, always)

    def _sized(self, sizes: dict[str, int]) -> Example:
        shapes = {name: array.shape for name, array in self.example.items()}
        for axis, size in sizes.items():
            shapes = {name: resized(shape, self.dynamic.get(name, {}), axis, size) for name, shape in shapes.items()}
        return {name: noise(array, shapes[name], self.rng) for name, array in self.example.items()}

    def _random(self) -> Example:
        """One of the inputs found, or other sizes, with up to three changes."""
        axes = axis_names(self.dynamic)
        base = list(self.log.found.values())[self.rng.integers(len(self.log.found))] if self.log.found else self.example
        if axes and self.rng.random() < 0.3:
            largest = 2 * max(max(array.shape, default=1) for array in self.example.values())
            base = self._sized({axis: int(self.rng.integers(min(largest, 32) + 1)) for axis in axes})
        inputs = dict(base)
        for _ in range(int(self.rng.integers(1, 4))):
            name = list(inputs)[self.rng.integers(len(inputs))]
            inputs[name] = mutated(inputs[name], self.example[name], self.numbers, self.rng)
        return inputs

    def _boundaries(self) -> None:
        """Pairs of inputs that differ in the fewest ways, halved until they lie close on both sides of a boundary."""
        own = {taken: inputs for (taken, _, own_sizes), inputs in self.log.found.items() if own_sizes}
        for a, b in sorted(combinations(own, 2), key=lambda pair: len(pair[0] ^ pair[1]))[:PAIRS]:
            self._halve(a, own[a], own[b])

    def _halve(self, taken: Taken, a: Example, b: Example) -> None:
        for _ in range(HALVINGS):
            middle = {name: between(a[name], b[name], self.rng) for name in a}
            met = self._meet("between two", middle)
            if met is None:
                return
            a, b = (middle, b) if met == taken else (a, middle)
        for side in (a, b):
            self._meet("beside a boundary", side, True)


def _shapes(inputs: Example) -> Shapes:
    return tuple(array.shape for array in inputs.values())
