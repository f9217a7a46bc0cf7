"""Which version of a model answers those who name none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lampion_server.errors import BadRequestError

STABLE, CANARY = "stable", "canary"


@dataclass(frozen=True)
class Traffic:
    """`stable` answers, except for `percent` of the requests, which go to `canary`; `shadow` gets copies of all.

    `previous` is the version that was stable before, to which `rolled_back` returns.
    """

    stable: str
    previous: str | None = None
    canary: str | None = None
    percent: float = 0.0
    shadow: str | None = None

    def labels(self) -> dict[str, str]:
        """The versions behind the names that a request may use in a version's place."""
        return {STABLE: self.stable} | ({CANARY: self.canary} if self.canary else {})

    def promoted(self, version: str) -> Traffic:
        """`version` takes all of the traffic."""
        previous = self.previous if version == self.stable else self.stable
        return Traffic(version, previous)

    def rolled_back(self) -> Traffic:
        """The canary, if there is one, gets nothing more; else the version before takes the traffic again.

        Raises `BadRequestError` if there was none before.
        """
        if self.canary or self.shadow:
            return Traffic(self.stable, self.previous)
        if self.previous is None:
            message = f"version {self.stable} replaced no other version: there is none to roll back to"
            raise BadRequestError(message, field="model", hint="promote a version by its name instead")
        return Traffic(self.previous)

    def split(self, version: str, percent: float) -> Traffic:
        """`version` gets `percent` of the traffic. Raises `BadRequestError` if it has all of it."""
        self._check_other(version)
        return replace(self, canary=version, percent=percent)

    def shadowed(self, version: str | None) -> Traffic:
        """`version` gets a copy of every request, and its answers are compared, not sent; None ends that.

        Raises `BadRequestError` if it is the one whose requests they are.
        """
        self._check_other(version)
        return replace(self, shadow=version)

    def _check_other(self, version: str | None) -> None:
        if version == self.stable:
            message = f"version {version} is the stable one: expected another to put beside it"
            raise BadRequestError(message, field="version")

    def among(self, ready: Sequence[str]) -> Traffic | None:
        """The same among the versions that are still there (the oldest first), None if nothing is."""
        if not ready:
            return None
        kept = {name: value if value in ready else None for name, value in self._named().items()}
        stable = kept["stable"] or kept["previous"] or ready[-1]
        previous = kept["previous"] if kept["previous"] != stable else None
        return Traffic(stable, previous, kept["canary"], self.percent if kept["canary"] else 0.0, kept["shadow"])

    def _named(self) -> dict[str, str | None]:
        return {"stable": self.stable, "previous": self.previous, "canary": self.canary, "shadow": self.shadow}


class Split:
    """Sends a share of the requests the other way, evenly spread and exact, where dice would only be right on average."""

    def __init__(self) -> None:
        self._credit = 0.0

    def other(self, percent: float) -> bool:
        """Whether this request is one of the `percent`."""
        self._credit += percent
        if self._credit < 100:
            return False
        self._credit -= 100
        return True
