"""What the wave engine's error codes mean, and what to do (`cutwater explain CODE`)."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW3001": "There is no wave file of that name. Waves live in <project>/waves/<NAME>.yaml; write one, or check the spelling.",
    "CW3002": "The wave file is not YAML that may be read: broken syntax, a duplicate key, a tag other than plain data, or too large. The message names line and column.",
    "CW3003": "The wave file holds a setting that is unknown, missing or of the wrong form. The message names line, column and the nearest known name.",
    "CW3004": "The wave names an asset that the last inventory snapshot does not hold. Check the spelling, or run `cutwater inventory discover`.",
    "CW3005": "A table has neither a primary key nor a replica identity that serves. Once published, its UPDATEs and DELETEs would fail on the legacy side. The owner runs `ALTER TABLE ... REPLICA IDENTITY FULL` (or adds a primary key), then discover and plan again.",
    "CW3006": "The key named for a table is not unique there by any constraint. Name the primary key or the columns of a unique constraint without NULLs.",
    "CW3007": "A column's PostgreSQL type has no exact counterpart in the lake. Give it a `lake_type` (string keeps its text) in the wave file's mappings.",
    "CW3008": "There is no inventory snapshot to plan from. Run `cutwater inventory discover`.",
    "CW3009": "The wave was not planned yet, or the plan of that hash is unknown. Run `cutwater wave plan NAME`.",
    "CW3010": "The plan's body in the state store does not give the hash under which it was saved: it was altered. Nothing is executed from it; run `cutwater evidence verify`, then plan anew.",
    "CW3011": "The wave file, or the structure of its assets, is no longer what was planned. Only the plan that was shown is executed: plan again; an approval of the old plan does not hold for the new one.",
    "CW3012": "The move is not legal from the state that the wave is in. The message says what is missing.",
    "CW3013": "A gate says no: a value misses its threshold, or its evidence is missing or stale. Stale evidence is no-go.",
    "CW3014": "The plan lacks an approval by a required role, bound to the plan's hash. Use `cutwater wave approve`.",
    "CW3015": "The journal records an effect of a step with other arguments than the plan gives now. The plan was changed after the step began; abandon the wave and start anew.",
    "CW3016": "A step asks for an action that is not wired. This is a defect of the installation: check the extras named by `cutwater doctor`.",
    "CW3017": "Nobody in the runner answers a request of that kind. The service that would is not started yet, or not part of the wave.",
    "CW3018": "The structure of the wave's assets changed since it was planned: the approval is void. Discover, plan, compare and approve again.",
    "CW3019": "The runner process did not start or died. Its log names the reason; `cutwater wave resume NAME` continues where the journal ends.",
    "CW3020": "An action failed in a way that it does not declare: a defect. The journal keeps the error; nothing was recorded as done.",
    "CW3021": "A step refuses to start: its validation found what must be mended first.",
    "CW3022": "A runner is at work on this wave. Pause it first: `cutwater wave pause NAME`.",
    "CW3023": "The role or person is not one of the plan's. Roles are declared under `roles:` in the wave file.",
    "CW3024": "The name that was typed is not the wave's. Nothing was done.",
    "CW3025": "What accepts writes after the switch does not fit the wave's assets: `feeds` needs a feed, `readers` and `store` need a table or an operation.",
    "CW3026": "The same live runner is asked for what it cannot do now; the message says what it waits for.",
    "CW3040": "The plan ends with its dual run. Add a cutover section to the wave file and plan again.",
    "CW3027": "A database (the source, or the one that holds the lake's catalog) closed the connection or did not answer. The runner tries again; `cutwater doctor` names the system.",
}
