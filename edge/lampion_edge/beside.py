"""Work in another thread, while this one does something else."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Starts `work`; calling what comes back waits for its result, or raises what it raised.

    As an Executor's Future, whose module takes longer to import than this package does. Nobody waits for it at exit.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def kept() -> None:
        try:
            results.append(work(*args, **kwargs))
        except BaseException as error:  # raised where the result is asked for
            errors.append(error)

    thread = Thread(target=kept, daemon=True)
    thread.start()

    def result() -> T:
        thread.join()
        for error in errors:
            raise error
        return results[0]

    return result
