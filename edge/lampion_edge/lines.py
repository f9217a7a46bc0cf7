"""`run --lines`: one line in, one line of JSON out, for as long as the pipe is open."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from lampion_edge.errors import EdgeError, InputError
from lampion_edge.input_files import load_arrays, load_photo
from lampion_edge.session import Session

T = TypeVar("T")
_FILES = {"image-classification": "image", "audio-classification": "sound"}


@dataclass(frozen=True)
class Asked:
    """A line: its number from 1, the caller's `id` if it gave one, and what to run or why that can't be."""

    number: int
    id: Any
    content: Any

    def answer(self, told: dict[str, Any]) -> str:
        """The line of JSON for it."""
        return json.dumps({"line": self.number} | ({} if self.id is None else {"id": self.id}) | told)


def run_lines(
    session: Session, stream: Iterable[str], batch: int, told: Callable[[Any], dict[str, Any]]
) -> Iterator[tuple[str, bool]]:
    """Answers, each with whether it went well; `told` makes JSON of a prediction, or of arrays by name.

    Lines of a batch run together; one that fails doesn't stop the others.
    """
    lines = ((number, text) for number, line in enumerate(stream, 1) if (text := line.strip()))
    while some := list(islice(lines, batch)):
        asked = [_read(session, number, text) for number, text in some]
        good = [each for each in asked if not isinstance(each.content, EdgeError)]
        results = iter(_results(session, [each.content for each in good]))
        for each in asked:
            result = each.content if isinstance(each.content, EdgeError) else next(results)
            if isinstance(result, EdgeError):
                yield each.answer({"error": str(result), "field": result.field, "hint": result.hint}), False
            else:
                yield each.answer(told(result)), True


def _results(session: Session, contents: list[Any]) -> list[Any]:
    """What the model says to each, or the error that it got."""
    if session.card.task not in _FILES:
        return [_attempt(session.run, inputs) for inputs in contents]
    together = _attempt(session.predict_many, contents) if contents else []
    return [_attempt(session.predict, each) for each in contents] if isinstance(together, EdgeError) else together


def _attempt(work: Callable[[Any], T], value: Any) -> T | EdgeError:
    try:
        return work(value)
    except EdgeError as error:
        return error


def _read(session: Session, number: int, text: str) -> Asked:
    """A line as JSON, or else as the name of a file."""
    value: Any = text
    if text[0] in '{["':
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return Asked(number, None, InputError(f"not JSON, and no file's name either ({error})", field="line"))
    id = value.pop("id", None) if isinstance(value, dict) else None
    try:
        return Asked(number, id, _content(session, value))
    except EdgeError as error:
        return Asked(number, id, error)


def _content(session: Session, value: Any) -> Any:
    one = _FILES.get(session.card.task)
    if isinstance(value, dict) and value.keys() == {"file"}:
        value = value["file"]
    if isinstance(value, str):
        return load_photo(value) if one else load_arrays(value, session.inputs)
    if one is None:
        if isinstance(value, list) and len(session.inputs) == 1:
            value = {session.inputs[0].name: value}
        if isinstance(value, dict):
            return value
        raise InputError(f"expected an object of {', '.join(spec.name for spec in session.inputs)}", field="line")
    if not isinstance(value, dict) or value.keys() != {one} or not isinstance(value[one], str):
        raise InputError(f'expected a file\'s name, {{"file": name}} or {{"{one}": base64}}', field="line")
    try:
        return base64.b64decode(value[one], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{one}: not base64 ({error})", field=one) from None
