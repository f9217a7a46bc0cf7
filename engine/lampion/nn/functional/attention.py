"""Attention (Vaswani et al. 2017)."""

from __future__ import annotations

import math
from typing import Any

from lampion import dtypes
from lampion.nn.functional.dropout import dropout
from lampion.nn.functional.linear import linear
from lampion.ops.comparison import where
from lampion.ops.create import arange, zeros
from lampion.ops.matmul import matmul
from lampion.ops.reduce import all as every
from lampion.ops.reduce import mean, softmax
from lampion.ops.shape import cat, repeat_interleave
from lampion.symbolic import Size, may_agree
from lampion.tensor import Tensor

INF = float("inf")


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(q k^T * scale + mask) v: q [..., l, e], k [..., s, e], v [..., s, ev] -> [..., l, ev].

    A bool mask [..., l, s] says what may be seen, another is added; a query that sees nothing gives 0. `is_causal` lets
    query i see keys up to i. `scale` is 1 / sqrt(e) unless given. `enable_gqa` repeats heads (dim -3) of k and v to
    those of q. Raises RuntimeError for a mask together with `is_causal`.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("scaled_dot_product_attention: expected either attn_mask or is_causal, got both")
    if enable_gqa:
        key = repeat_interleave(key, query.shape[-3] // key.shape[-3], -3)
        value = repeat_interleave(value, query.shape[-3] // value.shape[-3], -3)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query * factor, key.transpose(-2, -1))
    if is_causal:
        attn_mask = causal(query.shape[-2], key.shape[-2])
    weights = softmax(scores, -1) if attn_mask is None else _masked(scores, attn_mask)
    return matmul(dropout(weights, dropout_p), value)


def causal(queries: Size, keys: Size) -> Tensor:
    """bool [queries, keys]: query i sees keys up to i."""
    return arange(queries).unsqueeze(1) >= arange(keys)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over what may be seen; 0 for a query that sees nothing, with gradient 0."""
    bias = added(mask, scores.dtype)
    blind = every(bias == -INF, -1, keepdim=True)
    return where(blind, 0.0, softmax(where(blind, 0.0, scores + bias), -1))


def added(mask: Tensor, kind: dtypes.dtype) -> Tensor:
    """A bool mask of what may be seen as numbers to add: 0 or -inf. Others in the scores' dtype."""
    return where(mask, 0.0, -INF).to(kind) if mask.dtype is dtypes.bool_ else mask.to(kind)


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int, in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True,
    key_padding_mask: Tensor | None = None, need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None, static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """What `MultiheadAttention` computes: query [l, n, e], key and value [s, n, ...], or all without n.

    Gives [l, n, e], and with `need_weights` the weights [n, l, s], or [n, heads, l, s] without
    `average_attn_weights`. In bool masks True hides: `key_padding_mask` [n, s], `attn_mask` [l, s] or [n heads, l, s];
    others are added. `static_k` and `static_v` [n heads, s, e / heads] replace the projected ones. `is_causal` says that
    attn_mask, which is then required, is causal.
    """
    who = "multi_head_attention_forward"
    if query.ndim not in (2, 3) or not may_agree(query.shape[-1:], (embed_dim_to_check,)):
        raise RuntimeError(
            f"{who}: expected query [l, n, {embed_dim_to_check}] or [l, {embed_dim_to_check}], got {list(query.shape)}"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{who}: expected attn_mask with is_causal=True, which only says what the mask is")
    batched = query.ndim == 3
    if not batched:
        lifted = {id(t): t.unsqueeze(1) for t in (query, key, value)}
        query, key, value = lifted[id(query)], lifted[id(key)], lifted[id(value)]
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    separate = [q_proj_weight, k_proj_weight, v_proj_weight] if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, separate)
    n = query.shape[1]
    rows = _Rows(attn_mask, key_padding_mask, n, num_heads)
    if bias_k is not None and bias_v is not None:
        k, v = rows.longer(k, bias_k.expand(1, n, -1)), rows.longer(v, bias_v.expand(1, n, -1), grow=True)
    q, k, v = (_heads(t, num_heads) for t in (q, k, v))
    k = k if static_k is None else static_k.reshape(n, num_heads, *static_k.shape[1:])
    v = v if static_v is None else static_v.reshape(n, num_heads, *static_v.shape[1:])
    if add_zero_attn:
        empty = zeros(n, num_heads, 1, k.shape[-1], dtype=k.dtype)
        k, v = rows.longer(k, empty, 2), rows.longer(v, empty, 2, grow=True)
    mask, p = rows.mask(q.dtype), dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
        weights = dropout(softmax(scores if mask is None else scores + mask, -1), p)
        out = matmul(weights, v)
        weights = mean(weights, 1) if average_attn_weights else weights
    else:
        out = scaled_dot_product_attention(q, k, v, mask, p)
    out = out.permute(2, 0, 1, 3).reshape(query.shape[0], n, embed_dim_to_check)
    out = linear(out, out_proj_weight, out_proj_bias)
    if batched:
        return out, weights
    return out.squeeze(1), None if weights is None else weights.squeeze(0)


class _Rows:
    """The masks of one call, as numbers to add, which grow with the keys."""

    def __init__(self, attn: Tensor | None, padding: Tensor | None, n: Size, heads: int) -> None:
        if attn is not None and attn.ndim == 3:
            attn = attn.reshape(n, heads, *attn.shape[1:])
        self.masks = [
            m for m in (attn, None if padding is None else padding.unsqueeze(1).unsqueeze(1)) if m is not None
        ]

    def longer(self, keys: Tensor, last: Tensor, dim: int = 0, grow: bool = False) -> Tensor:
        """`keys` with one more behind, which every mask, with `grow`, lets be seen."""
        if grow:
            self.masks = [m.pad_constant([0, 1]) for m in self.masks]
        return cat([keys, last], dim)

    def mask(self, kind: dtypes.dtype) -> Tensor | None:
        """All masks together."""
        parts = [added(~m if m.dtype is dtypes.bool_ else m, kind) for m in self.masks]
        return None if not parts else parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor | None, bias: Tensor | None, separate: Any
) -> tuple[Tensor, ...]:
    """q, k and v; one product where they come from one tensor."""
    if separate is None and query is key and key is value:
        assert weight is not None
        return linear(query, weight, bias).chunk(3, -1)
    weights = separate if weight is None or separate is not None else weight.chunk(3, 0)
    biases = (None,) * 3 if bias is None else bias.chunk(3, 0)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))


def _heads(x: Tensor, heads: int) -> Tensor:
    """[length, n, e] as [n, heads, length, e / heads]"""
    return x.reshape(x.shape[0], x.shape[1], heads, x.shape[2] // heads).permute(1, 2, 0, 3)
