"""Photos out of the body of a request, in whichever way it carries them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from lampion_server.errors import BadRequestError
from lampion_server.http import read_body
from lampion_server.protocol import read_json
from lampion_server.settings import Settings


async def read_photos(request: Request, settings: Settings) -> list[bytes]:
    """The image files in a request: the files of a multipart form, base64 texts in JSON, else the body itself.

    JSON is `{"image": TEXT}` or `{"images": [TEXT, ...]}`; no photo begins with a brace. Any other content type is taken
    for one photo, since curl says application/x-www-form-urlencoded of both. Raises `BadRequestError` when there is none.
    """
    body = await read_body(request, settings)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _from_form(request)
    if content_type == "application/json" or body.startswith(b"{"):
        return _from_json(body)
    if not body:
        hint = "send the file itself: curl --data-binary @photo.jpg"
        raise BadRequestError("expected a photo, got an empty body", field="body", hint=hint)
    return [body]


async def _from_form(request: Request) -> list[bytes]:
    try:
        async with request.form() as form:  # parses the body that was read already
            photos = [await value.read() for _, value in form.multi_items() if isinstance(value, UploadFile)]
    except (HTTPException, MultiPartException) as error:
        detail = error.detail if isinstance(error, HTTPException) else error.message
        raise BadRequestError(f"the multipart body can't be read: {detail}", field="body") from None
    if not photos:
        hint = "send it as a file: curl -F photo=@photo.jpg"
        raise BadRequestError("expected at least one file in the form, got none", field="body", hint=hint)
    return photos


def _from_json(body: bytes) -> list[bytes]:
    request = read_json(body)
    if ("image" in request) == ("images" in request):
        raise BadRequestError("expected either image or images in the JSON object", field="image")
    if "image" in request:
        return [_decoded(request["image"], "image")]
    texts = request["images"]
    if not isinstance(texts, list) or not texts:
        raise BadRequestError(f"images: expected a list of base64 texts, got {texts!r:.80}", field="images")
    return [_decoded(text, f"images[{index}]") for index, text in enumerate(texts)]


def _decoded(text: Any, field: str) -> bytes:
    if not isinstance(text, str) or not text:
        raise BadRequestError(f"{field}: expected a base64 text, got {text!r:.80}", field=field)
    if text.startswith("data:"):  # a data URL, as a browser's FileReader gives it
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f"{field}: not base64 ({error})", field=field) from None
