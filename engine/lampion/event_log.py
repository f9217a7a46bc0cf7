"""Numbers of a run as event files for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Log = Callable[[Mapping[str, float], int], None]


@contextmanager
def event_log(folder: str | os.PathLike[str] | None, first: int = 0) -> Iterator[Log]:
    """A function that writes named numbers at a step into `folder`, or does nothing for None.

    What a run that was cut short has written there of steps after `first` no longer shows. Raises ImportError without
    tensorboardX.
    """
    if folder is None:
        yield lambda values, step: None
        return
    try:
        from tensorboardX import SummaryWriter  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError(
            "fit: expected tensorboardX for log_dir, which is not installed; pip install 'lampion[tensorboard]'"
        ) from error
    with SummaryWriter(os.fspath(folder), purge_step=first + 1 if first else None) as writer:

        def log(values: Mapping[str, float], step: int) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield log
