"""The versions of one model on a device: a folder in which nothing is ever changed, only added, switched to and removed.

models/
  release.pub            the pinned key; what makes the folder a repository
  state.json             which version is current; replaced in one step, and nothing else decides
  versions/1.3-9f86d08/  a version: its files and release.sig, all of them synced before the folder got its place here
  incoming/1.4-2c26b46/  what is being fetched, whole or not; renamed into versions/ when it is proved
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lampion_edge.errors import CardError, ModelError, RefusedError, UpdateError
from lampion_edge.update.disk import Disk, locked, make_all, remove_all, replace
from lampion_edge.update.release import Content, natural
from lampion_edge.update.signature import Signed, public_keys, version_of
from lampion_edge.update.state import State

RELEASE = "release.sig"
_KEY, _STATE, _VERSIONS, _INCOMING = "release.pub", "state.json", "versions", "incoming"


class Repository:
    """The versions of one model below `folder`; what changes there goes through `disk`.

    Raises OSError where the disk does, beside what each method says.
    """

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self.folder = folder
        self.disk = disk or Disk()

    def __str__(self) -> str:
        return str(self.folder)

    @staticmethod
    def at(folder: Path) -> bool:
        """Whether this folder is a repository."""
        return (folder / _KEY).is_file()

    # --- the key ---

    @property
    def key(self) -> bytes:
        """The pinned public keys as PEM. Raises UpdateError if none was pinned."""
        try:
            return (self.folder / _KEY).read_bytes()
        except FileNotFoundError:
            hint = f"lampion-edge update --models {self.folder} --pin release.pub"
            raise UpdateError(f"{self.folder}: no key is pinned, so nothing can be trusted", hint=hint) from None

    def pin(self, pem: bytes, name: str) -> None:
        """Trusts these keys, and no others any more. Raises UpdateError for a file that holds no public key."""
        public_keys(pem, name)
        make_all(self.disk, self.folder)
        replace(self.disk, self.folder / _KEY, pem)

    # --- the state ---

    @property
    def state(self) -> State:
        """What is current. If the file was damaged, the newest version that is whole."""
        try:
            return State.from_json((self.folder / _STATE).read_bytes())
        except FileNotFoundError:
            return State()
        except CardError:
            whole = [id for id in self.ids() if self.proved(id)]
            return State(max(whole, key=lambda id: natural(version_of(id)), default=None))

    @property
    def nothing(self) -> ModelError:
        """What to raise where a version is needed and none is installed."""
        hint = f"lampion-edge update SOURCE --models {self.folder}"
        return ModelError(f"{self.folder}: no version is installed yet", hint=hint)

    def change(self, change: Callable[[State], State]) -> State:
        """The state after `change`, written in one step; nothing is written if it stays the same."""
        with locked(self.folder):
            old = self.state
            new = change(old)
            if new != old:
                replace(self.disk, self.folder / _STATE, new.to_json().encode())
        return new

    # --- the versions ---

    def ids(self) -> list[str]:
        """The versions that lie here."""
        folder = self.folder / _VERSIONS
        return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []

    def place(self, id: str) -> Path:
        """The folder of a version."""
        return self.folder / _VERSIONS / id

    def sealed(self, id: str) -> bytes:
        """The signature of a version that lies here, as it came. Raises ModelError if that can't be read."""
        path = self.place(id) / RELEASE
        try:
            return path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: can't be read ({error.strerror})") from None

    def signed(self, id: str) -> Signed:
        """What was signed of a version that lies here. Raises ModelError if that can't be read."""
        path = self.place(id) / RELEASE
        try:
            signed = Signed.from_json(self.sealed(id), str(path))
        except RefusedError as error:
            raise ModelError(str(error)) from None
        if signed.id != id:
            raise ModelError(f"{path}: is of another version, {signed.id}")
        return signed

    def name(self, id: str | None) -> str | None:
        """The name of a version's model, None if it can't be read."""
        try:
            return self.signed(id).release.name if id else None
        except ModelError:
            return None

    def model(self, id: str) -> Path:
        """The file of a version to open. Raises ModelError if it can't be told."""
        return self.place(id) / self.signed(id).release.model

    def whole(self, id: str | None) -> bool:
        """Whether a version has all its files, in their sizes: enough to start with, and quick."""
        if id is None:
            return False
        try:
            files = self.signed(id).release.files
            return all((self.place(id) / name).stat().st_size == content.size for name, content in files.items())
        except (OSError, ModelError):
            return False

    def proved(self, id: str) -> bool:
        """Whether every byte of a version is as it was signed."""
        try:
            files = self.signed(id).release.files
            return all(Content.of(self.place(id) / name) == content for name, content in files.items())
        except (OSError, ModelError):
            return False

    # --- updating ---

    @contextmanager
    def updating(self) -> Iterator[None]:
        """Keeps a second updater out. Raises UpdateError if there is one, or no pinned key."""
        _ = self.key
        for folder in (self.folder / _INCOMING, self.folder / _VERSIONS):
            make_all(self.disk, folder)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder / _INCOMING, wait=False))
            except BlockingIOError:
                raise UpdateError(f"{self.folder}: another update is at work") from None
            yield

    def incoming(self, id: str) -> Path:
        """The folder into which a version is fetched."""
        return self.folder / _INCOMING / id

    def adopt(self, id: str) -> None:
        """Gives the fetched version, whose files are synced, its place among the versions, if it isn't there yet."""
        incoming, place = self.incoming(id), self.place(id)
        if incoming.is_dir():
            remove_all(self.disk, place)  # a damaged one
            self.disk.sync(incoming)
            self.disk.rename(incoming, place)
        self.disk.sync(place.parent)
        self.disk.sync(incoming.parent)

    def tidy(self, *fetching: str) -> None:
        """Removes all versions but the current, the one before and those being fetched."""
        if self.folder.is_dir():
            self.disk.sync(self.folder)  # what is removed must not be what the disk still takes for current
        state = self.state
        kept = {state.current, state.previous, *fetching}
        for folder in (self.folder / _INCOMING, self.folder / _VERSIONS):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.name not in kept:
                    remove_all(self.disk, path)
        for draft in self.folder.glob("*.new"):
            remove_all(self.disk, draft)
