"""What a load generator sends, to the byte."""

from __future__ import annotations

import pytest

from lampion_edge.client import parsed
from lampion_server.load.requests import http_request


@pytest.mark.parametrize(
    ("url", "path", "host"),
    [
        ("http://here:8000", "/ask", "here:8000"),
        ("http://here/", "/ask", "here"),
        ("https://me:secret@here/models/mine/", "/models/mine/ask", "here"),
        ("unix:/run/l.sock", "/ask", "localhost"),
    ],
)
def test_where_it_goes(url: str, path: str, host: str) -> None:
    sent = http_request(parsed(url), "/ask", b"what", {"Accept": "*/*"})
    assert sent == f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nAccept: */*\r\n\r\nwhat".encode()
