"""What schemathesis has to be told: how lines of JSON are written."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """One line of JSON for each record; a text as it is."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    records = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
