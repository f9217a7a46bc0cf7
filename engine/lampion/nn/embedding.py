"""Look-up of learned vectors."""

from __future__ import annotations

from typing import Any, Self

from lampion.autograd import no_grad
from lampion.nn import functional as F
from lampion.nn import init
from lampion.nn.module import Module
from lampion.nn.parameter import Parameter
from lampion.ops.create import check_device, empty
from lampion.tensor import Tensor


class Embedding(Module):
    """int indices [...] -> rows of a table [num_embeddings, embedding_dim]: [..., embedding_dim].

    Row `padding_idx` starts as zeros and is not learned. Raises IndexError for an index outside the table.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx {padding_idx} is outside the table of {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the table from the normal distribution; the padding row becomes zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """A layer over a given table [rows, dim], which is not learned if `freeze`."""
        if embeddings.ndim != 2:
            raise ValueError(f"Embedding: expected a table of 2 dimensions, got shape {list(embeddings.shape)}")
        layer = cls(embeddings.shape[0], embeddings.shape[1], padding_idx)
        layer.weight = Parameter(embeddings, not freeze)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        rest = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{rest}"
