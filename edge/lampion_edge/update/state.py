"""Which version is current, which was before, and how far the current one has shown that it is healthy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from lampion_edge.errors import CardError
from lampion_edge.json_fields import Fields, count, optional, sequence, text, truth

SCHEMA = 1
_REMEMBERED = 16


@dataclass(frozen=True)
class State:
    """Versions by their ids. `starts_left` is None for one that is known to be healthy.

    Until then every start takes one, and at none left the previous version comes back. With `by_hand` only
    `lampion-edge update --confirm` shows health, else the first good answer does. `returned` are versions that were
    taken back here and aren't taken again by themselves.
    """

    current: str | None = None
    previous: str | None = None
    starts_left: int | None = None
    by_hand: bool = False
    returned: tuple[str, ...] = ()

    def installed(self, id: str, starts: int, by_hand: bool = False) -> State:
        """Version `id` is current, and what it replaces is kept: the last one that was known to be healthy."""
        doubtful = self.starts_left is not None and self.previous is not None
        kept = self.previous if doubtful or id == self.current else self.current
        returned = tuple(each for each in self.returned if each != id)
        return State(id, kept, starts, by_hand, returned)

    def started(self) -> State:
        """One start less."""
        return replace(self, starts_left=self.starts_left - 1) if self.starts_left else self

    def confirmed(self) -> State:
        """The current version is healthy."""
        return replace(self, starts_left=None, by_hand=False)

    def taken_back(self, *, remember: bool) -> State:
        """The previous version is current; with `remember` the one that was is not taken again by itself."""
        returned = self.returned + ((self.current,) if remember and self.current else ())
        return State(self.previous, None, None, False, returned[-_REMEMBERED:])

    def to_json(self) -> str:
        """The state as JSON."""
        return json.dumps({"schema": SCHEMA} | asdict(self)) + "\n"

    @classmethod
    def from_json(cls, source: bytes) -> State:
        """Reads what `to_json` wrote. Raises CardError."""
        try:
            fields = Fields(json.loads(source), "")
        except (ValueError, RecursionError) as error:
            raise CardError(f"state: not valid JSON ({error})") from None
        fields.take("schema", count(1, SCHEMA))
        return cls(
            current=fields.take("current", optional(text)),
            previous=fields.take("previous", optional(text)),
            starts_left=fields.take("starts_left", optional(count(0, 2**31))),
            by_hand=fields.take("by_hand", truth),
            returned=fields.take("returned", sequence(text)),
        )
