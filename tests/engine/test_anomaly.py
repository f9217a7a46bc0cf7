"""Anomaly mode: the op that brings the first nan is named, with the line of the user's code that ran it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import lampion
from lampion.autograd import detect_anomaly, set_detect_anomaly
from lampion.tape import grad_mode


def infinite_times_zero() -> Any:
    x = lampion.tensor([0.0, 1.0], requires_grad=True)
    root = x.sqrt()  # here
    return (root * 0).sum()


def line(text: str) -> int:
    with open(__file__) as file:
        return next(i for i, row in enumerate(file, 1) if row.rstrip().endswith(text))


def test_the_op_and_the_line_are_named() -> None:
    with detect_anomaly():
        y = infinite_times_zero()
        place = re.escape(f"{__file__}:{line('# here')}: `x.sqrt()`")
        with pytest.raises(RuntimeError, match=rf"(?s)Sqrt\(\) returned nan values.*shape \[2\].*ran at {place}"):
            y.backward()


def test_a_graph_from_before_names_the_op_only() -> None:
    y = infinite_times_zero()
    with detect_anomaly(), pytest.raises(RuntimeError, match=r"Sqrt.*\n.*outside of detect_anomaly"):
        y.backward()


def test_it_is_off_unless_asked_for_and_ends_with_its_block() -> None:
    infinite_times_zero().backward()
    with detect_anomaly():
        assert grad_mode.anomaly
    assert not grad_mode.anomaly
    switch = set_detect_anomaly(True)
    assert grad_mode.anomaly
    with switch:
        assert grad_mode.anomaly
    assert not grad_mode.anomaly


def test_as_a_decorator() -> None:
    @detect_anomaly()
    def step() -> None:
        infinite_times_zero().backward()

    with pytest.raises(RuntimeError, match="nan"):
        step()
    assert not grad_mode.anomaly


def test_numbers_pass() -> None:
    x = lampion.tensor([1.0, 2.0], requires_grad=True)
    with detect_anomaly():
        (x.sqrt() * 3).sum().backward()
    assert x.grad is not None
