"""The sandbox's error codes: what each means and what to do (`cutwater explain CODE`)."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW1100": "The sandbox's optional parts are not installed. Install the extra: pip install 'cutwater[sandbox]'.",
    "CW1101": (
        "A downloaded file is not the one that sandbox/jars.lock names: its SHA-256 differs. It was removed and nothing uses it. "
        "Check the mirror (CUTWATER_MAVEN_MIRROR); if the mirror is right, the lock file has been altered."
    ),
    "CW1102": (
        "A file of sandbox/jars.lock could not be fetched. What was fetched is kept and is not fetched again. Run the same command again; "
        "behind a firewall set CUTWATER_MAVEN_MIRROR to your Maven repository's address."
    ),
    "CW1103": "sandbox/jars.lock cannot be read: a line is not `GROUP COORDINATE SHA256 BYTES`. Restore the file from version control.",
    "CW1110": (
        "A server of the sandbox did not become ready. The message names the server and the end of its log. The others keep running; "
        "`cutwater sandbox up` tries again, `cutwater sandbox down` stops everything."
    ),
    "CW1111": "Another `cutwater sandbox up` or `down` is at work on this sandbox and did not finish in time. Wait for it, then run the command again.",
    "CW1112": (
        "PostgreSQL refuses to run as root and no unprivileged account (`nobody`) was found to run it as. Run cutwater as an ordinary user."
    ),
    "CW1113": "The sandbox was told to stop but a process did not end, even after SIGKILL. The message names it; nothing else was touched.",
    "CW1114": (
        "The sandbox's supervisor ended before the servers were ready. The end of its log is in the message. `cutwater sandbox up` starts a new one, "
        "which takes over what still runs."
    ),
    "CW1115": "No free port was found on 127.0.0.1 between 18000 and 31999. Stop what holds them, then run `cutwater sandbox up` again.",
    "CW1130": "Containers were asked for and no Docker engine answers. Start one, or use the embedded servers.",
    "CW1131": "Containers were asked for and the package testcontainers is not installed: pip install 'cutwater[containers]'.",
    "CW1132": "The Docker engine did not start a container: the image could not be pulled, or the port is taken. The message holds the engine's words.",
    "CW1133": "A process of the sandbox was asked to hold a container of a server that has none: a defect of ours.",
    "CW1134": "A sandbox keeps the provider that it was made with (embedded or containers). Remove it with `cutwater sandbox down --delete` to change.",
    "CW1120": "A part of the sandbox could not be copied for a rehearsal. The original is as it was; the same command begins anew.",
    "CW1121": "A rehearsal needs memory and disk for a second sandbox and its runner. The message says how much is there and how much is needed.",
    "CW1116": "The disk that holds the sandbox is nearly full. Free space or set CUTWATER_HOME to a larger disk, then run `cutwater sandbox up`.",
}
