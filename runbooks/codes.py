"""What the codes of schedule, calendars and runbook mean, and what to do (`cutwater explain CODE`)."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW5001": "A task of the schedule stands there twice, or depends on one that is not there. Give each task its own id and mend its `needs`.",
    "CW5002": "Tasks wait for each other in a circle, so none of them can start. Take one of the named dependencies out.",
    "CW5003": "The working time given for a task ends before its work does. Extend the working time, or move the task.",
    "CW5004": "A calendar file is broken: the message names the file and what is wrong. Calendars are YAML with dated versions; the shipped ones (waves/calendars) are the pattern.",
    "CW5006": "runbook.yaml holds a setting that is unknown or of the wrong form. The message names the setting; the guide docs/guides/runbook.md lists them.",
    "CW5007": "--format takes html, md or both.",
    "CW5008": "The folder of --out cannot be written. Choose another one; nothing was rendered there.",
    "CW5009": "runbook.yaml names a scheme for which there is no calendar. Use one of the shipped ids, or add calendars/<id>.yaml to the project.",
}
