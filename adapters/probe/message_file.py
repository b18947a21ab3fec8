"""The probe of a channel as a file: `<project>/smoke/<channel>.yaml`, one marked message for a topic, or one marked file.

In texts words in braces are filled in: {mark} (another one in every round), {uetr}, {id} (a UUID), {today}, {day} (yyyymmdd), {yymmdd},
{julian} (yyddd), {now} (RFC 3339), {session} (four digits, another one in every round). All of them come from the round's
mark, so that a probe which is tried again is the same one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from cutwater.core.clock import iso, parse_iso
from cutwater.core.errors import BadInput
from lakehouse.marks import FILE_PREFIX, is_marked


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TopicMessage(_Model):
    """A record for a topic, by the newest schema of its subject `<topic>-value`. Its mark is a header."""

    through: Literal["kafka"]
    topic: str
    key: str = "{uetr}"
    record: dict[str, Any]


class MarkedFile(_Model):
    """A file. through: which root its folder stands in (the drop, the SWIFT archive). Its name carries the mark: a prefix, or
    a terminal of SWIFT's Test & Training. stream: the feed that it comes in by."""

    through: Literal["drop", "swift"]
    stream: str
    folder: str
    name: str
    lines: Annotated[list[str], Field(min_length=1)]
    ends: Literal["lf", "crlf"] = "lf"
    closed: bool = True  # the last line ends too

    @field_validator("name")
    @classmethod
    def _marked(cls, value: str) -> str:
        if not is_marked(value, value[:12]):
            raise ValueError(
                f"{value} carries no mark: a name begins with {FILE_PREFIX}, or with a terminal of Test & Training"
            )
        return value

    @property
    def text(self) -> str:
        end = "\r\n" if self.ends == "crlf" else "\n"
        return end.join(self.lines) + (end if self.closed else "")


Probe = TopicMessage | MarkedFile
_PROBE: TypeAdapter[Probe] = TypeAdapter(Annotated[Probe, Field(discriminator="through")])


def load_probe(path: Path) -> Probe:
    """Raises BadInput (CW3066) with the file and the place, also for a file that would not be marked."""
    try:
        return _PROBE.validate_python(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError, ValidationError, ValueError, UnicodeDecodeError) as error:
        raise BadInput(
            "CW3066",
            f"the probe {path.name} cannot be read",
            cause=" ".join(str(error).split())[:200],
            state="nothing was sent",
            next=f"mend {path}: through kafka with topic and record, or through drop or swift with folder, name and lines",
        ) from error


def words(mark: str, at: str, channel: str) -> dict[str, str]:
    """What is filled in. at: the instant of the round's mark."""
    when = parse_iso(at)
    own = f"{mark}-{channel}"
    return {
        "mark": own,
        "uetr": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cutwater:probe:{own}")),
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cutwater:probe:id:{own}")),
        "today": when.date().isoformat(),
        "day": f"{when:%Y%m%d}",
        "yymmdd": f"{when:%y%m%d}",
        "julian": f"{when:%y%j}",
        "now": iso(when),
        "session": f"{_tens(when):04d}",
    }


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """Texts within any JSON value, with the words in place of their names; other braces stay (FIN is full of them)."""
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    return [filled(item, known) for item in value] if isinstance(value, list) else value


def _tens(when: datetime) -> int:
    """Tens of seconds since midnight: below 8,640."""
    return (when.hour * 3600 + when.minute * 60 + when.second) // 10
