"""Codes of the core and the command line (CW10nn): what each means and what to do."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW1000": "An error that nobody declared: a defect of ours. Run the same command with --debug and report the trace.",
    "CW1001": "The project's sandbox is not up, so its endpoints are not known. Start it with `cutwater sandbox up`; "
    "to use systems of your own, set [endpoints] in cutwater.toml.",
    "CW1002": "No cutwater.toml was found. Go to the project's folder, name it with --project DIR, or write one: "
    "an empty cutwater.toml is a project on the sandbox.",
    "CW1003": "cutwater.toml is not valid TOML or not UTF-8. The message names the line; mend it.",
    "CW1004": "[endpoints] in cutwater.toml holds a setting that does not exist. The message lists the known ones.",
    "CW1005": "cutwater.toml refers to an environment variable (${NAME}) that is not set. Export it before the call; "
    "secrets are never written into the file.",
    "CW1006": "--output takes text or json.",
    "CW1008": "A table or a value in cutwater.toml is not of the right kind. The message names it and what would be right.",
    "CW1007": "No such error code. `cutwater explain` without a code lists all of them.",
}
