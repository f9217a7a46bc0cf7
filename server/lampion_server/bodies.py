"""What a model is asked about, out of the body of a request: files or records, in whichever way it carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from lampion_edge.web.uploads import decoded
from lampion_server.errors import BadRequestError
from lampion_server.http import read_body
from lampion_server.infer import at_most
from lampion_server.protocol import read_any_json, read_json
from lampion_server.settings import Settings
from lampion_server.tasks import RECORDS, Task

_EXAMPLES = {"image": "photo.jpg", "sound": "sound.wav"}


async def read_items(request: Request, settings: Settings, task: Task) -> list[Any]:
    """Files as bytes, or records as JSON has them. Raises `BadRequestError` when there is none."""
    body = await read_body(request, settings)
    if task is RECORDS:
        if not body.lstrip().startswith((b"{", b"[")):
            hint = "curl -d '{\"records\": [{...}]}'; GET /v1/models shows the card with the inputs"
            raise BadRequestError("the body: this model takes records, as JSON", field="body", hint=hint)
        return _records(read_any_json(body), task)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        _check_whole(body, request.headers["content-type"])
        return await _from_form(Request(request.scope, _replayed(body)), task)
    # No photo or sound begins with a brace. Any other content type is taken for one file, since curl says
    # application/x-www-form-urlencoded of both.
    if content_type == "application/json" or body[:64].lstrip().startswith(b"{"):
        return _from_json(read_json(body), task)
    if not body:
        hint = f"send the file itself: curl --data-binary @{_EXAMPLES[task.one]}"
        raise BadRequestError(f"expected a file as {task.one}, got an empty body", field="body", hint=hint)
    return [body]


def _records(sent: Any, task: Task) -> list[Any]:
    """The records of `{"records": [...]}`, `{"record": ...}` or a bare list."""
    if isinstance(sent, dict):
        if (task.one in sent) == (task.many in sent):
            hint = f'put the record inside: {{"{task.one}": {{...}}}}'
            message = f"expected either {task.one} or {task.many} in the JSON object"
            raise BadRequestError(message, field=task.many, hint=hint)
        sent = [sent[task.one]] if task.one in sent else sent[task.many]
    if not isinstance(sent, list) or not sent:
        raise BadRequestError(f"{task.many}: expected a list of records, got {sent!r:.80}", field=task.many)
    return sent


def _replayed(body: bytes) -> Receive:
    """The body as an event again, since it may have been unpacked since it was one."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _from_form(request: Request, task: Task) -> list[bytes]:
    try:
        async with request.form() as form:
            files = [await value.read() for _, value in form.multi_items() if isinstance(value, UploadFile)]
    except (HTTPException, MultiPartException) as error:
        detail = error.detail if isinstance(error, HTTPException) else error.message
        raise BadRequestError(f"the multipart body can't be read: {detail}", field="body") from None
    if not files:
        hint = f"send it as a file: curl -F {task.one}=@{_EXAMPLES[task.one]}"
        raise BadRequestError("expected at least one file in the form, got none", field="body", hint=hint)
    return files


def _check_whole(body: bytes, content_type: str) -> None:
    """Raises `BadRequestError` for a form that was cut off, whose last file would be left out without a word."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if boundary and body.rfind(b"--" + boundary + b"--") < 0:
        message = f"the multipart body can't be read: it lacks its end, '--{boundary.decode('latin-1'):.80}--'"
        raise BadRequestError(message, field="body")


def _from_json(sent: Mapping[str, Any], task: Task) -> list[bytes]:
    one, many = task.one, task.many
    if (one in sent) == (many in sent):
        raise BadRequestError(f"expected either {one} or {many} in the JSON object", field=one)
    if one in sent:
        return [decoded(sent[one], one)]
    texts = sent[many]
    if not isinstance(texts, list) or not texts:
        raise BadRequestError(f"{many}: expected a list of base64 texts, got {texts!r:.80}", field=many)
    return [decoded(text, f"{many}[{index}]") for index, text in enumerate(at_most(texts, many, "files"))]
