"""The log: lines for people, or JSON for machines."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from lampion_server.settings import Settings

TEXT = "%(asctime)s %(levelname)s %(message)s"


def set_up(settings: Settings) -> None:
    """Sends the log to stderr in the form and from the level of the settings."""
    handler = logging.StreamHandler()
    handler.setFormatter(Json() if settings.log_format == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)


class Json(logging.Formatter):
    """A line of JSON: time (UTC), level, logger, message, and whatever was passed as `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"
        line: dict[str, Any] = {"time": stamp, "level": record.levelname, "logger": record.name}
        line |= {"message": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
