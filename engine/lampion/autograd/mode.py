"""Whether what runs is recorded for `backward`."""

from __future__ import annotations

from contextlib import ContextDecorator

from lampion.tape import grad_mode


class SetGrad(ContextDecorator):
    """Context manager and decorator that switches recording."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(grad_mode.enabled)
        grad_mode.enabled = self.enabled

    def __exit__(self, *_: object) -> None:
        grad_mode.enabled = self.before.pop()


def no_grad() -> SetGrad:
    """Inside, nothing is recorded for `backward`."""
    return SetGrad(False)


def inference_mode(mode: bool = True) -> SetGrad:
    """As `no_grad`."""
    return SetGrad(not mode)


def enable_grad() -> SetGrad:
    """Inside, operations are recorded for `backward` again."""
    return SetGrad(True)


def set_grad_enabled(mode: bool) -> SetGrad:
    """Inside, operations are recorded if `mode` says so."""
    return SetGrad(mode)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded for `backward`."""
    return grad_mode.enabled
