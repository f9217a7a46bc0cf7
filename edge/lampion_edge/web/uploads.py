"""The files in a predict request: one as it is, several in a form, or base64 in JSON, as the big server takes them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from lampion_edge.errors import InputError
from lampion_edge.web.messages import Request


def files(request: Request, one: str) -> list[bytes]:
    """What was sent; `one` is JSON's name for a single file (image, sound). Raises InputError if there is none."""
    kind = _header(request, "content-type")
    if kind.partition(";")[0].strip().lower() == "multipart/form-data":
        found = list(_form(request.body, kind))
        if not found:
            raise InputError(
                "expected at least one file in the form, got none", field="body", hint=f"curl -F {one}=@file"
            )
        return found
    # No photo or sound begins with a brace; curl's default content type says nothing.
    if kind.startswith("application/json") or request.body.startswith(b"{"):
        return _from_json(request.body, one)
    if not request.body:
        hint = "send the file itself: curl --data-binary @file"
        raise InputError(f"expected a file as {one}, got an empty body", field="body", hint=hint)
    return [request.body]


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises InputError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not valid JSON ({error})", field="body") from None
    if not isinstance(value, dict):
        raise InputError(f"the body: expected a JSON object, got {type(value).__name__}", field="body")
    return value


def _from_json(body: bytes, one: str) -> list[bytes]:
    sent = json_object(body)
    many = f"{one}s"
    if (one in sent) == (many in sent):
        raise InputError(f"expected either {one} or {many} in the JSON object", field=one)
    texts = [sent[one]] if one in sent else sent[many]
    if not isinstance(texts, list) or not texts:
        raise InputError(f"{many}: expected a list of base64 texts, got {texts!r:.80}", field=many)
    return [decoded(text, one if one in sent else f"{many}[{index}]") for index, text in enumerate(texts)]


def decoded(text: Any, field: str) -> bytes:
    """The bytes of a base64 text, or of a data URL. Raises InputError."""
    if not isinstance(text, str) or not text:
        raise InputError(f"{field}: expected a base64 text, got {text!r:.80}", field=field)
    if text.startswith("data:"):  # a data URL, as a browser's FileReader gives it
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{field}: not base64 ({error})", field=field) from None


def _form(body: bytes, kind: str) -> Iterator[bytes]:
    """The parts of a form that are files. The standard library's mail parser would turn their line ends."""
    boundary = re.search(r'boundary="?([^";]+)"?', kind)
    if not boundary:
        raise InputError("multipart/form-data: the content type names no boundary", field="body")
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and re.search(rb"filename\*?=", head, re.IGNORECASE):
            yield content


def _header(request: Request, name: str) -> str:
    return next((value for key, value in request.headers.items() if key.lower() == name), "")
