from __future__ import annotations

from lampion_edge import EdgeError, InputError


def test_tree_is_drawn_in_the_base() -> None:
    def below(error: type[EdgeError]) -> list[type[EdgeError]]:
        return [each for child in error.__subclasses__() for each in (child, *below(child))]

    for error in below(EdgeError):
        assert f"── {error.__name__} " in (EdgeError.__doc__ or ""), error


def test_field_and_hint() -> None:
    error = InputError("input 'x' is missing", field="x", hint="pass x")
    assert (str(error), error.field, error.hint) == ("input 'x' is missing", "x", "pass x")
    assert (EdgeError("e").field, EdgeError("e").hint) == (None, None)
