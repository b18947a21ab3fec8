"""The estate's error codes: what each means and what to do (`cutwater explain CODE`)."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW1201": "The numbers given to `sandbox seed` make no estate: it takes at least 50 payments and 1 to 250 business days.",
    "CW1202": (
        "The legacy database already holds another seed (or a seed and its traffic). Nothing was changed. Seed with the same numbers "
        "(which does nothing), or throw the estate away with `cutwater sandbox down --delete`."
    ),
    "CW1203": (
        "The schema registry gave a schema another number than the one that stands in messages already published: those could not be read. "
        "Start from an empty sandbox: `cutwater sandbox down --delete`."
    ),
    "CW1204": "The estate has not been seeded, so there are no accounts to pay from. Run `cutwater sandbox seed`.",
    "CW1205": "Traffic is already running on this sandbox. `cutwater sandbox traffic --stop` ends it.",
    "CW1206": (
        "The traffic process did not end in time after it was asked to. Its log names the last thing it did; it is still running and can be "
        "asked again with `cutwater sandbox traffic --stop`."
    ),
    "CW1207": "There is no fault of that name. `cutwater sandbox inject` without a name lists them.",
    "CW1208": "The lake has no table legacy.payment, or no row that a fault could be planted in. Run a wave's backfill first.",
    "CW1209": "A server of the sandbox did not answer the estate. Run `cutwater sandbox up`, then the same command again.",
    "CW1210": "The traffic process ended right after its start. The message shows the end of its log.",
    "CW1212": "The route names the To-Be store, and the project's endpoints have no store_dsn. Add it to cutwater.toml, or bring the sandbox up.",
    "CW1211": "No older payment was found in which the fault could be planted. Seed a larger estate.",
}
