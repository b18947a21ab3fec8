"""What people say about a runbook: <project>/runbook.yaml. Everything is optional; what is missing shows as missing.

Settings at the top hold for every wave; `waves: {W01: {...}}` says otherwise for one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cutwater.core.errors import BadInput

FILE_NAME = "runbook.yaml"
Duty = Literal["decider", "lead", "engine", "database", "route", "reconciliation", "operations", "communications"]
Minutes = Annotated[int, Field(ge=0, le=60 * 24 * 7)]


class Settings(BaseModel):
    """time_boxes: minutes that a person decided for a card (C04: 10); measurements go before them.
    duties: which of the wave's roles carries out a duty. deputies, contacts: by role. fence: whether a wave of
    readers fences the legacy side for the switch, too (one that takes writes always does). margin_minutes: kept free between a rollback's end and the limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: str = "Europe/London"
    schemes: tuple[str, ...] = ("bacs", "chaps", "fps", "target")
    margin_minutes: Minutes = 60
    hypercare_days: Annotated[int, Field(ge=1, le=120)] = 14
    fence: bool = False
    bridge: str = ""
    duties: dict[Duty, str] = Field(default_factory=dict)
    deputies: dict[str, str] = Field(default_factory=dict)
    contacts: dict[str, str] = Field(default_factory=dict)
    time_boxes: dict[str, Minutes] = Field(default_factory=dict)
    comms_every_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = 60

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value} is no time zone") from None
        return value


def load_settings(root: Path, wave: str) -> Settings:
    """The settings of one wave; the defaults where there is no file. Raises BadInput CW5006."""
    path = root / FILE_NAME
    if not path.is_file():
        return Settings()
    try:
        body = yaml.safe_load(path.read_text("utf-8")) or {}
        return parse_settings(body, wave)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput("CW5006", f"{path} is not YAML", cause=str(error), next=f"mend {path}") from None
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        raise BadInput("CW5006", f"{path}: {wrong[0]}", cause="; ".join(wrong[1:]), next=f"mend {path}") from None
    except ValueError as error:
        raise BadInput("CW5006", f"{path}: {error}", next=f"mend {path}") from None


def parse_settings(body: Any, wave: str) -> Settings:
    """Top-level settings with the wave's own over them."""
    if not isinstance(body, dict) or not isinstance(body.get("waves", {}), dict):
        raise ValueError("the file holds settings, `name: value`")  # noqa: TRY004 - becomes a BadInput with the path
    own = body.get("waves", {}).get(wave) or {}
    return Settings.model_validate({**{key: value for key, value in body.items() if key != "waves"}, **own})
