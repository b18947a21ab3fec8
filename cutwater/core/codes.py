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
    "CW1009": "An argument holds bytes that are no UTF-8 text. Names, roles and paths are text here: type it again, or rename the file.",
    "CW1007": "No such error code. `cutwater explain` without a code lists all of them.",
    "CW1020": "A DSN given to init is not one of a PostgreSQL database: postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with user and database.",
    "CW1021": "init was given no folder, or no --source for a folder that is no project yet.",
    "CW1022": "init found files in the folder that it did not write, or that were edited since. Nothing is ever overwritten: "
    "choose another folder, or go on with the project that is there.",
    "CW1023": "The database holds no table that the role can see. Check its name, the role's USAGE rights, and --schema.",
    "CW1025": "init cannot write into the folder that it was given: it cannot be made, or there is no right to write there.",
    "CW1024": "--warehouse belongs to a catalog of one's own: without --catalog the lake is the sandbox's.",
}
