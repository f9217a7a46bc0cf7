"""Views as tensors with memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lampion.ops import complex as complexes
from lampion.ops import shape, splitting, strided

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def copying(view: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """The function that gives what `view` looks at as a copy, or a tuple of copies."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        result = view(input, *args, **kwargs)
        return tuple(part.clone() for part in result) if isinstance(result, tuple) else result.clone()

    function.__name__ = function.__qualname__ = name or f"{view.__name__}_copy"
    function.__doc__ = f"What `{view.__name__}` gives, copied."
    return function


alias_copy = copying(lambda input: input, "alias_copy")
as_strided_copy = copying(strided.as_strided)
diagonal_copy = copying(strided.diagonal)
expand_copy = copying(shape.expand)
narrow_copy = copying(shape.narrow)
permute_copy = copying(shape.permute)
select_copy = copying(splitting.select)
split_copy = copying(shape.split)
split_with_sizes_copy = copying(splitting.split_with_sizes)
squeeze_copy = copying(shape.squeeze)
t_copy = copying(shape.t)
transpose_copy = copying(shape.transpose)
unbind_copy = copying(shape.unbind)
unfold_copy = copying(strided.unfold)
unsqueeze_copy = copying(shape.unsqueeze)
view_as_complex_copy = copying(complexes.view_as_complex)
view_as_real_copy = copying(complexes.view_as_real)
view_copy = copying(shape.reshape, "view_copy")
