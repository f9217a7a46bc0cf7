"""The OpenAPI document: the route table described, and each model's own routes with its golden samples as examples."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from lampion_server import examples
from lampion_server.access import OPEN
from lampion_server.dataplane import DataPlane
from lampion_server.described import Described
from lampion_server.errors import UnavailableError
from lampion_server.model_docs import model_operations
from lampion_server.routes import Route
from lampion_server.schemas import schema_of

log = logging.getLogger(__name__)

KEYS = {
    "components": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    },
    "security": [{"bearer": []}, {"header": []}],
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
ERRORS = {"application/json": {"example": examples.ERROR, "schema": schema_of(examples.ERROR)}}


def answers(route: Route, *example: Any) -> dict[int | str, dict[str, Any]]:
    """What a route answers: its own schema, with another example if one is given (None for none), and the errors."""
    (shown,) = example or (route.answer,)
    content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    if isinstance(route.answer, bytes):
        content = {"application/octet-stream": BINARY}
    elif route.answer is not None:
        content = {"application/json": {"schema": schema_of(route.answer)}}
        if shown is not None:
            content["application/json"]["example"] = shown
    if _takes_tensors(route):
        content["application/octet-stream"] = BINARY
    return {
        200: {"description": "the answer", "content": content},
        "4XX": {"description": "the request can't be served", "content": ERRORS},
        "5XX": {"description": "the server or the model can't answer now", "content": ERRORS},
    }


def operation(route: Route, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The parameters and the body that a route takes."""
    described: dict[str, Any] = {"parameters": [*examples.path_parameters(route.path), *_parameters(route)]}
    if route.scope == OPEN:
        described["security"] = []
    if route.body is not None:
        described["requestBody"] = {"required": route.body_required, "content": body or route.body}
    return described


def _parameters(route: Route) -> list[Mapping[str, Any]]:
    """What is sent beside the body, apart from the path."""
    return [*route.query, *(examples.JSON_LENGTH if _takes_tensors(route) else [])]


class Documented:
    """Adds to a document of the route table a part for each model that is served; a model's part is made once."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.parts: WeakKeyDictionary[Described, list[tuple[Route, Any, Any]]] = WeakKeyDictionary()

    def __call__(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with paths such as /v2/models/iris/infer, first in it, and how to show a key, where one is wanted."""
        paths: dict[str, Any] = {}
        for name in sorted(self.plane.repository.names()):
            with suppress(UnavailableError):  # another version than the one that has the traffic
                paths |= self._of_model(name, self.plane.repository.get(name).session)
        keys = KEYS if self.plane.settings.keys else {}
        return {**document, "paths": paths | document["paths"], **keys}

    def _of_model(self, name: str, session: Described) -> dict[str, Any]:
        if session not in self.parts:
            try:
                self.parts[session] = model_operations(session)
            except Exception:  # whatever is wrong with one model must not take the page from the others
                log.exception("model %s can't be described; /docs shows the common routes alone", name)
                self.parts[session] = []
        return {
            route.path.replace("{model}", quote(name, safe="")): {
                route.method.lower(): {
                    "summary": f"{route.summary}: {name}",
                    "description": session.card.description,
                    "operationId": f"{route.path} {name}",
                    "tags": [name],
                    "parameters": _parameters(route),
                    "requestBody": {"required": True, "content": body},
                    "responses": {str(status): answer for status, answer in answers(route, example).items()},
                }
            }
            for route, body, example in self.parts[session]
        }


def _takes_tensors(route: Route) -> bool:
    return route.body is examples.TENSOR_BODY
