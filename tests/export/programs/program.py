"""What a program of the suite is, and how all of them are found.

A program is a function, or a Module made without arguments, written as a PyTorch user writes it, with the inputs that it is
run on. Its file imports `lampion` under PyTorch's name, so that the same file can be loaded with PyTorch itself in its place.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray[Any, Any]
Inputs = dict[str, Array]
Axes = Mapping[str, Mapping[int, str]]
Subject = TypeVar("Subject", bound=Callable[..., Any])

HERE = Path(__file__).parent
NO_PROGRAMS = {"__init__", "inputs", "program"}


@dataclass(frozen=True)
class Terms:
    """On what a program is run; every case is an array, or a tuple of them in the order of its parameters."""

    cases: tuple[Any, ...]
    axes: Axes | None = None
    violating: tuple[Any, ...] = ()
    refused: tuple[str, ...] = ()
    tolerance: float = 1e-4


def program(
    *cases: Any, axes: Axes | None = None, violating: Sequence[Any] = (), tolerance: float = 1e-4
) -> Callable[[Subject], Subject]:
    """Makes a function or Module class a program of the suite.

    The first case is the export's example. `axes` are the dynamic ones, by default the first of every input, each by itself.
    `violating` are inputs that the program itself raises an error for.
    """
    return _marked(Terms(cases, axes, tuple(violating), tolerance=tolerance))


def refused(*words: str, cases: Sequence[Any], axes: Axes | None = None) -> Callable[[Subject], Subject]:
    """Makes a function a program that can't be exported; the error must contain all `words`, a place in it and a remedy."""
    return _marked(Terms(tuple(cases), axes, refused=words))


def _marked(terms: Terms) -> Callable[[Subject], Subject]:
    def mark(subject: Subject) -> Subject:
        subject.terms = terms  # type: ignore[attr-defined]
        return subject

    return mark


@dataclass(frozen=True)
class Program:
    """A program of the suite as loaded: its name, what is called, and its terms."""

    name: str
    family: str
    call: Callable[..., Any]
    terms: Terms

    def __str__(self) -> str:
        return f"{self.family}.{self.name}"

    @property
    def parameters(self) -> list[str]:
        """The names of its inputs; what has a default keeps it."""
        function = self.call.forward if hasattr(self.call, "forward") else self.call
        return [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]

    def answer(self, library: Any, inputs: Inputs) -> list[Array]:
        """What it gives when it just runs with `library`: lampion, or torch for its twin."""
        with library.no_grad():
            result = self.call(**{name: library.from_numpy(array.copy()) for name, array in inputs.items()})
        return [t.numpy() for t in (result if isinstance(result, tuple) else (result,))]

    @property
    def inputs(self) -> list[Inputs]:
        """What it must answer to, the export's example first."""
        return [self._named(case) for case in self.terms.cases]

    @property
    def violating(self) -> list[Inputs]:
        """What it must raise an error for."""
        return [self._named(case) for case in self.terms.violating]

    @property
    def axes(self) -> Axes:
        """The dynamic axes by input."""
        if self.terms.axes is not None:
            return self.terms.axes
        return {name: {0: f"{name}_size"} for name, array in self.inputs[0].items() if array.ndim}

    def _named(self, case: Any) -> Inputs:
        arrays = case if isinstance(case, tuple) else (case,)
        return {name: np.asarray(a) for name, a in zip(self.parameters, arrays, strict=True)}


def families() -> list[Path]:
    """The files that hold programs."""
    return sorted(path for path in HERE.glob("*.py") if path.stem not in NO_PROGRAMS)


def programs() -> list[Program]:
    """All programs, with lampion."""
    modules = [importlib.import_module(f"export.programs.{path.stem}") for path in families()]
    return [p for module in modules for p in programs_of(module)]


def loaded(path: Path, place: str, change: Callable[[ast.Module], ast.Module] = lambda tree: tree) -> ModuleType:
    """The file as one more module in the package `place`; lines stay where they are, so that sources are found."""
    module = ModuleType(f"{place}.{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(change(ast.parse(path.read_text())), str(path), "exec"), vars(module))
    return module


def programs_of(module: ModuleType) -> list[Program]:
    """The programs of one file, in its order."""
    family = module.__name__.rpartition(".")[2]
    own = [
        x for x in vars(module).values() if "terms" in getattr(x, "__dict__", ()) and x.__module__ == module.__name__
    ]
    return [Program(x.__name__, family, _called(x), x.terms) for x in own]


def _called(subject: Any) -> Callable[..., Any]:
    if not isinstance(subject, type):
        return subject
    module = subject().eval()
    weights = {name: _numbers(name, t) for name, t in module.state_dict().items()}
    module.load_state_dict(weights)
    return module


def _numbers(name: str, like: Any) -> Any:
    """The same weights for either library."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    numbers = rng.standard_normal(tuple(like.shape)).astype(np.float32) * 0.5
    return like.new_tensor(numbers.tolist())
