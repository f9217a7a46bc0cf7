"""gzip and deflate, as HTTP has them: bodies that come in so, answers that are asked for so."""

from __future__ import annotations

import zlib

from lampion_server.errors import BadRequestError, TooLargeError, UnsupportedMediaTypeError

# zlib's number for each format. HTTP's deflate is zlib's own format.
FORMATS = {"gzip": 31, "deflate": 15}
# Below one packet of the network there is nothing to gain.
LEAST = 1400
# More than this is worth a thread, so that the event loop goes on.
MUCH = 65536
# What follows a file's end is copied, so that thousands of tiny files in one long body must be cut before that.
STEP = 4096


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, at most `limit` bytes.

    Raises `UnsupportedMediaTypeError`, `BadRequestError` for a body that isn't in that format, `TooLargeError`.
    """
    if encoding not in FORMATS:
        message = f"Content-Encoding: expected {', '.join(FORMATS)} or identity, got {encoding!r:.80}"
        raise UnsupportedMediaTypeError(message, field="Content-Encoding")
    view, position, size = memoryview(body), 0, 0
    parts: list[bytes] = []
    while position < len(view) or not parts:  # a gzip file may consist of several
        unzip = zlib.decompressobj(FORMATS[encoding])
        while not unzip.eof:
            piece = view[position : position + STEP]
            if not piece:
                raise BadRequestError(f"the body is not {encoding}: it ends too early", field="body")
            try:
                parts.append(unzip.decompress(piece, limit - size + 1))
            except zlib.error as error:
                raise BadRequestError(f"the body is not {encoding}: {error}", field="body") from None
            position += len(piece) - len(unzip.unused_data)
            size += len(parts[-1])
            if size > limit:
                message = f"the body: expected at most {limit} bytes after {encoding}, got more"
                raise TooLargeError(message, field="body", hint="the server's --max-body-bytes sets the limit")
    return b"".join(parts)


def chosen(accept: str) -> str | None:
    """The format for an answer, by the caller's Accept-Encoding: the one it likes best, None for none."""
    weights: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, _, parameter = item.partition(";")
        weights[name.strip()] = _weight(parameter)
    best = max(FORMATS, key=lambda name: weights.get(name, 0.0))
    return best if weights.get(best, 0.0) > 0 else None


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
    except ValueError:
        return 0.0


def compressed(body: bytes, format: str) -> bytes:
    """The body in that format, quickly rather than tightly: tensors seldom shrink much."""
    packer = zlib.compressobj(1, zlib.DEFLATED, FORMATS[format])
    return packer.compress(body) + packer.flush()
