"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from lampion.nn import functional as F
from lampion.nn import init
from lampion.nn.linear import Linear
from lampion.nn.module import Module, describe
from lampion.nn.parameter import Parameter
from lampion.ops.create import check_device, empty
from lampion.tensor import Tensor


class MultiheadAttention(Module):
    """Several heads of attention side by side (Vaswani et al. 2017).

    Called with query [l, n, embed_dim], key [s, n, kdim] and value [s, n, vdim], or with n first where `batch_first`, or
    without n. Gives the output in the query's shape and, with `need_weights`, the weights [n, l, s]. Raises ValueError for
    heads that don't divide embed_dim.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: expected embed_dim divisible by num_heads, got {embed_dim} and {num_heads}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._packed = self.kdim == self.vdim == embed_dim
        shapes: dict[str, tuple[int, ...]] = {"in_proj_weight": (3 * embed_dim, embed_dim)} if self._packed else {}
        if not self._packed:
            sizes = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
            shapes = {f"{name}_proj_weight": (embed_dim, size) for name, size in sizes.items()}
        shapes |= {"in_proj_bias": (3 * embed_dim,)} if bias else {}
        shapes |= {"bias_k": (1, 1, embed_dim), "bias_v": (1, 1, embed_dim)} if add_bias_kv else {}
        names = (
            "q_proj_weight",
            "k_proj_weight",
            "v_proj_weight",
            "in_proj_weight",
            "in_proj_bias",
            "bias_k",
            "bias_v",
        )
        for name in names:
            found = Parameter(empty(*shapes[name], dtype=dtype)) if name in shapes else None
            self.register_parameter(name, found)
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights as Glorot and Bengio 2010; biases become 0."""
        for name, parameter in self._parameters.items():
            if name.endswith("proj_weight") and parameter is not None:
                init.xavier_uniform_(parameter)
            if name in ("bias_k", "bias_v") and parameter is not None:
                init.xavier_normal_(parameter)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Output and weights; masks as in `lampion.nn.functional.multi_head_attention_forward`."""
        swap = self.batch_first and query.ndim == 3
        if swap:
            swapped = {id(t): t.transpose(0, 1) for t in (query, key, value)}
            query, key, value = swapped[id(query)], swapped[id(key)], swapped[id(value)]
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, not self._packed, self.q_proj_weight, self.k_proj_weight,
            self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return out.transpose(0, 1) if swap else out, weights

    def extra_repr(self) -> str:
        return describe(self, ["embed_dim", "num_heads"], dropout=0.0, batch_first=False, add_zero_attn=False)
