"""Elements moved between channels, space and columns: pixel shuffles, unfold and fold, and norms across channels."""

from __future__ import annotations

from typing import Any

from lampion.ops.conv import Many, many
from lampion.ops.create import arange
from lampion.ops.index import IndexAdd
from lampion.ops.pool import avg_pool
from lampion.ops.promote import as_tensor
from lampion.symbolic import Size, numel, same
from lampion.tensor import Tensor

# ---- channels and space ---------------------------------------------------------------------------------------------


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[..., c r r, h, w] -> [..., c, h r, w r] (Shi et al. 2016). Raises RuntimeError for channels that don't divide."""
    r, (channels, h, w) = upscale_factor, _image("pixel_shuffle", input)
    if r < 1 or (isinstance(channels, int) and channels % (r * r)):
        raise RuntimeError(f"pixel_shuffle: expected channels divisible by {r} * {r}, got shape {list(input.shape)}")
    lead = input.shape[:-3]
    n = len(lead)
    x = input.reshape(*lead, channels // (r * r), r, r, h, w)
    x = x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*lead, channels // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """[..., c, h r, w r] -> [..., c r r, h, w], the inverse of `pixel_shuffle`."""
    r, (channels, h, w) = downscale_factor, _image("pixel_unshuffle", input)
    if r < 1 or any(isinstance(n, int) and n % r for n in (h, w)):
        raise RuntimeError(f"pixel_unshuffle: expected sizes divisible by {r}, got shape {list(input.shape)}")
    lead = input.shape[:-3]
    n = len(lead)
    x = input.reshape(*lead, channels, h // r, r, w // r, r)
    x = x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, channels * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (dim 1) dealt out to `groups` in turn (Zhang et al. 2017)."""
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle: expected [n, c, ...] with channels divisible by {groups}, got shape {list(input.shape)}"
        )
    x = input.reshape(input.shape[0], groups, input.shape[1] // groups, *input.shape[2:])
    return x.transpose(1, 2).reshape(input.shape)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`channel_shuffle` under PyTorch's other name."""
    return channel_shuffle(input, groups)


def _image(who: str, input: Tensor) -> tuple[Size, Size, Size]:
    if input.ndim < 3:
        raise RuntimeError(f"{who}: expected [..., channels, height, width], got shape {list(input.shape)}")
    channels, h, w = input.shape[-3:]
    return channels, h, w


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha mean(x^2 of `size` neighbouring channels)) ** beta (Krizhevsky et al. 2012)."""
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: expected at least 3 dimensions, got shape {list(input.shape)}")
    shape = input.shape
    if same(numel(shape), 0):
        return input
    power = (input * input).reshape(shape[0], 1, shape[1], numel(shape[2:]))
    power = power.pad_constant([0, 0, size // 2, (size - 1) // 2])
    mean = avg_pool(2, power, (size, 1), 1).reshape(shape)
    return input / (mean * alpha + k) ** beta


# ---- windows and columns --------------------------------------------------------------------------------------------


def unfold(input: Tensor, kernel_size: Many, dilation: Many = 1, padding: Many = 0, stride: Many = 1) -> Tensor:
    """[n, c, h, w] -> [n, c kh kw, windows]: every window as a column. Raises RuntimeError for other ranks."""
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 4:
        raise RuntimeError(f"unfold: expected [n, c, h, w] or [c, h, w], got shape {list(input.shape)}")
    (kh, kw), (ph, pw) = many(kernel_size, 2, "unfold"), many(padding, 2, "unfold")
    x = input.pad_constant([pw, pw, ph, ph])
    rows, columns = _windows("unfold", x.shape[2:], kernel_size, dilation, stride)
    x = x.index_select(2, rows.reshape(-1)).index_select(3, columns.reshape(-1))
    x = x.reshape(*x.shape[:2], kh, rows.shape[1], kw, columns.shape[1]).permute(0, 1, 2, 4, 3, 5)
    return x.reshape(x.shape[0], x.shape[1] * kh * kw, rows.shape[1] * columns.shape[1])


def fold(
    input: Tensor, output_size: Any, kernel_size: Many, dilation: Many = 1, padding: Many = 0, stride: Many = 1
) -> Tensor:
    """[n, c kh kw, windows] -> [n, c, *output_size]: columns put back as windows, overlaps summed; `unfold` transposed."""
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    (kh, kw), (ph, pw) = many(kernel_size, 2, "fold"), many(padding, 2, "fold")
    size = many(output_size, 2, "fold")
    grown = size[0] + 2 * ph, size[1] + 2 * pw
    rows, columns = _windows("fold", grown, kernel_size, dilation, stride)
    oh, ow = rows.shape[1], columns.shape[1]
    if input.ndim != 3 or input.shape[1] % (kh * kw) or not _agree(input.shape[2], oh * ow):
        raise RuntimeError(
            f"fold: output_size {list(size)} expects input [n, channels * {kh * kw}, {oh * ow}], "
            f"got shape {list(input.shape)}"
        )
    n, channels = input.shape[0], input.shape[1] // (kh * kw)
    x = input.reshape(n, channels, kh, kw, oh, ow).permute(0, 1, 2, 4, 3, 5)
    x = x.reshape(n, channels, kh * oh, kw * ow)
    x = IndexAdd(2, (n, channels, grown[0], kw * ow))(x, rows.reshape(-1))
    x = IndexAdd(3, (n, channels, *grown))(x, columns.reshape(-1))
    return x[:, :, ph : ph + size[0], pw : pw + size[1]]


def _windows(who: str, sizes: Any, kernel_size: Many, dilation: Many, stride: Many) -> list[Tensor]:
    """For each of two dims int64 [kernel, windows]: the place of every element of every window."""
    found = []
    settings = (many(v, 2, who) for v in (kernel_size, dilation, stride))
    for n, k, d, s in zip(sizes, *settings, strict=True):
        windows = (n - d * (k - 1) - 1) // s + 1
        if isinstance(windows, int) and windows < 1:
            raise RuntimeError(f"{who}: kernel {k} with dilation {d} is larger than the padded size {n}")
        found.append(arange(k).unsqueeze(1) * d + arange(windows) * as_tensor(s))
    return found


def _agree(a: Size, b: Size) -> bool:
    return not isinstance(a, int) or not isinstance(b, int) or a == b
