"""What `lampion sign` put beside a model, and the files it covers, for devices that update themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lampion_edge import RefusedError
from lampion_edge.update.release import SUFFIX
from lampion_edge.update.signature import Signed
from lampion_server.errors import NotFoundError
from lampion_server.model import Entry


@dataclass(frozen=True)
class SignedRelease:
    """The signature of a version as it lies on disk, its fingerprint, and the files it covers by name."""

    version: str
    content: bytes
    files: dict[str, Path]

    @property
    def etag(self) -> str:
        """Changes with the content."""
        return f'"{hashlib.sha256(self.content).hexdigest()}"'

    def file(self, name: str) -> Path:
        """One of the files. Raises `NotFoundError`."""
        if name not in self.files:
            raise NotFoundError(f"the release has no file {name!r:.80}; it has: {', '.join(self.files)}", field="file")
        return self.files[name]


def release_of(entries: Sequence[Entry], name: str, version: str) -> SignedRelease:
    """The release of a version that is served. Raises `NotFoundError` if it isn't signed."""
    path = next(entry.source.path for entry in entries if (entry.name, entry.version) == (name, version))
    try:
        content = path.with_name(path.name + SUFFIX).read_bytes()
        files = {each: path.parent / each for each in Signed.from_json(content, str(path)).release.files}
    except (OSError, RefusedError):
        hint = f"lampion sign {path.name} --key release.key, beside the file that is served"
        raise NotFoundError(f"model {name} version {version} isn't signed", field="release", hint=hint) from None
    return SignedRelease(version, content, files)
