"""What one transaction of a FIN message says, before it becomes a canonical event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Draft:
    """kind: an EventKind by value, or empty where the message is kept and tells no event. told: the event's fields by
    their names in the model. extra: what has no field there, by tag."""

    kind: str
    ordinal: str = "1"
    uetr: str | None = None
    message_id: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)  # how often each repeated tag stands in `extra`

    def keep(self, tag: str, value: str) -> None:
        """Puts a whole field into `extra`; a tag that repeats becomes `:72:[2]`."""
        name = f":{tag}:"
        if name in self.extra:
            number = self.kept[tag] = self.kept.get(tag, 1) + 1
            name = f":{tag}:[{number}]"
        self.extra[name] = value
