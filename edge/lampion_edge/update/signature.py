"""Ed25519: keys, signing and checking. The one place that touches the package cryptography."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lampion_edge.errors import CardError, RefusedError, UpdateError
from lampion_edge.json_fields import Fields, text
from lampion_edge.update.release import Release

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# Said before what is signed, so that a signature under anything else can't be taken for one of a release.
_CONTEXT = b"lampion release 1\n"


@dataclass(frozen=True)
class Signed:
    """A release as it was signed: its very text, the signature, and whose (a fingerprint, only to be shown)."""

    text: str
    signature: bytes
    key: str

    @cached_property
    def release(self) -> Release:
        """What the text says. Raises CardError."""
        return Release.from_json(self.text)

    @property
    def id(self) -> str:
        """The version and what tells it from any other, fit for the name of a folder."""
        return f"{self.release.version}-{hashlib.sha256(self.text.encode()).hexdigest()[:16]}"

    def to_json(self) -> str:
        """The content of the file beside the model."""
        signature = base64.b64encode(self.signature).decode()
        return json.dumps({"signed": self.text, "key": self.key, "signature": signature}, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, source: bytes, name: str) -> Signed:
        """Reads and checks what `to_json` wrote, but not the signature. Raises RefusedError, which calls it `name`."""
        try:
            fields = Fields(json.loads(source), "")
            signature = base64.b64decode(fields.take("signature", text), validate=True)
            signed = cls(fields.take("signed", text), signature, fields.take("key", text))
            _ = signed.release
        except (CardError, ValueError, RecursionError) as error:
            raise RefusedError(f"{name}: not a signed release ({str(error).removeprefix('card: ')})") from None
        return signed


def version_of(id: str) -> str:
    """The version in a release's id."""
    return id.rpartition("-")[0]


def new_key(path: Path) -> str:
    """Writes a new private key that only this user may read, and gives the public one as PEM. Raises UpdateError."""
    _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UpdateError(f"{path}: is there already, and a key is never overwritten") from None
    with os.fdopen(file, "wb") as out:
        out.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return _pem(key.public_key())


def sign(release: Release, key: Path) -> Signed:
    """The release signed with the private key in a file. Raises UpdateError for a file that holds none."""
    private = _private(key)
    written = release.to_json()
    return Signed(written, private.sign(_CONTEXT + written.encode()), fingerprint(private.public_key()))


def check(signed: Signed, pinned: bytes, name: str) -> None:
    """Raises RefusedError unless one of the public keys in `pinned` (PEM) signed it; the error calls it `name`."""
    _library()
    from cryptography.exceptions import InvalidSignature

    keys = public_keys(pinned, "the pinned key")
    for key in keys:
        try:
            return key.verify(signed.signature, _CONTEXT + signed.text.encode())
        except InvalidSignature:
            continue
    known = " or ".join(map(fingerprint, keys))
    message = f"{name}: the signature is not by the pinned key {known}, or what it signs was changed"
    raise RefusedError(message, hint=f"it says that key {signed.key[:16]!r} signed it")


def public_keys(pem: bytes, name: str) -> list[Ed25519PublicKey]:
    """The keys in a PEM file, at least one. Raises UpdateError, which calls the file `name`."""
    _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    end = b"-----END PUBLIC KEY-----"
    try:
        keys = [load_pem_public_key(block + end) for block in pem.split(end)[:-1]]
    except ValueError:
        keys = []
    ed25519 = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not ed25519 or len(ed25519) != len(keys):
        hint = "`lampion sign --new-key release.key` prints one"
        raise UpdateError(f"{name}: expected public ed25519 keys as PEM", hint=hint)
    return ed25519


def fingerprint(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the key's 32 bytes."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _private(path: Path) -> Ed25519PrivateKey:
    _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise UpdateError(f"{path}: can't be read ({error.strerror})") from None
    except (ValueError, TypeError) as error:  # the latter for a key with a password
        raise UpdateError(f"{path}: not a private key that can be read ({error})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UpdateError(f"{path}: expected an ed25519 key", hint="`lampion sign --new-key` makes one")
    return key


def _pem(key: Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _library() -> Any:
    try:
        import cryptography
    except ImportError as error:
        message = f"signatures need the package 'cryptography', which can't be imported ({error})"
        raise UpdateError(
            message, hint="pip install 'lampion-edge[update]', or apt install python3-cryptography"
        ) from None
    return cryptography
