"""One program tried: eager beside exported, on several inputs."""

from __future__ import annotations

import linecache
import re
import warnings
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

import lampion
from lampion.errors import LampionError
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.errors import ExportError
from lampion_export.exporter import build, serialized
from lampion_export.verification import allowance, distance

Array = np.ndarray[Any, Any]
Inputs = dict[str, Array]

INPUTS: tuple[Inputs, ...] = tuple(
    {"x": np.array(x, np.float32), "k": np.array(k, np.float32)}
    for x, k in (
        ([1, -2, 3.5], 2),
        ([0.5], -1),
        ([-0.25, 4, 4, -3, 1.125], 0),
        ([8, 0], 3.75),
        ([-1, -1.5, -2, 0.125], 5),
        ([2, 2.25, 6, 1, 0.75, 3], -0.5),
    )
)

# Refusals that a program may meet, by the words of their errors, and why: docs/programs.md lists them.
ALLOWED = {
    "in-place change of a tensor that may be another one too": "the data decides which of two tensors a name stands for",
    "a list is changed that may be another one too": "the data decides which of two lists a name stands for",
}


class Verdict(Enum):
    """What a trial found."""

    AGREES = "agrees"
    REFUSED = "refused"
    FAILS = "fails"


class Trial(NamedTuple):
    """A verdict with its reason; `cause` is what stays the same while a failing program is made smaller."""

    verdict: Verdict
    cause: str = ""
    why: str = ""


def try_program(source: str, name: str = "fuzzed") -> Trial:
    """Runs, exports and compares `program(x, k)`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = load(source, name)
        wanted = [(inputs, _eager(program, inputs)) for inputs in INPUTS]
        try:
            model = build(program, INPUTS[0], {"x": {0: "n"}})
            session = Session(serialized(model, complete_card(None, name, model.graph)))
        except (LampionError, ExportError) as error:
            return _refusal(str(error), name)
        except Exception as error:  # no error of ours is the worst of refusals, unless the program never runs
            if all(isinstance(want, type(error)) for _, want in wanted):
                return Trial(Verdict.AGREES)
            return Trial(Verdict.FAILS, f"{type(error).__name__} while exporting", str(error))
    differences = [_compared(session, inputs, want) for inputs, want in wanted]
    return next((d for d in differences if d is not None), Trial(Verdict.AGREES))


def load(source: str, name: str) -> Callable[..., Any]:
    """The `program` of a source that inspection finds although no file holds it."""
    file = f"/{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": name}
    exec(compile(source, file, "exec", dont_inherit=True), space)
    program: Callable[..., Any] = space["program"]
    return program


def _eager(program: Callable[..., Any], inputs: Inputs) -> list[Array] | Exception:
    try:
        result = program(**{name: lampion.from_numpy(array.copy()) for name, array in inputs.items()})
    except Exception as error:  # then the file must fail as well
        return error
    return [t.numpy() for t in (result if isinstance(result, tuple) else (result,))]


def _refusal(message: str, name: str) -> Trial:
    """Allowed for what the list names, if the error tells where."""
    allowed = next((words for words in ALLOWED if re.search(words, message)), None)
    if allowed and re.search(rf"{name}\.py:\d+", message):
        return Trial(Verdict.REFUSED, allowed, message)
    return Trial(Verdict.FAILS, f"refused: {re.sub(r'[^A-Za-z ]+', '#', message.splitlines()[0])[:60]}", message)


def _compared(session: Session, inputs: Inputs, want: list[Array] | Exception) -> Trial | None:
    try:
        got = list(session.run(inputs).values())
    except Exception as error:  # onnxruntime has many
        return (
            None
            if isinstance(want, Exception)
            else Trial(Verdict.FAILS, "fails when run", f"{_shown(inputs)}: {error}")
        )
    if isinstance(
        want, IndexError | RuntimeError
    ):  # no such place or shape, which a file meets only if the result is used
        return None
    if isinstance(want, Exception):
        return Trial(Verdict.FAILS, "answers where eager fails", f"{_shown(inputs)}: eager {want!r}, exported {got}")
    wrong = len(got) != len(want) or any(
        distance(a, b) > allowance(a, 1e-5, 1e-5) for a, b in zip(want, got, strict=True)
    )
    why = f"{_shown(inputs)}:\n  eager    {want}\n  exported {got}"
    return Trial(Verdict.FAILS, "disagrees", why) if wrong else None


def _shown(inputs: Inputs) -> str:
    return ", ".join(f"{name} = {array.tolist()}" for name, array in inputs.items())
