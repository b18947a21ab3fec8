"""Codes of the inventory (CW21nn): what each means and what to do."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW2101": "There is no inventory snapshot yet. Run `cutwater inventory discover`.",
    "CW2102": "The inventory holds no asset of that id. `cutwater inventory list` shows the ids; an asset that came later "
    "needs a new `cutwater inventory discover`.",
    "CW2103": "--kind takes postgres, kafka, api, file or swift.",
    "CW2104": "A difference needs two snapshots and there is only one. Run `cutwater inventory discover` again later.",
    "CW2105": "No system could be looked at. The message names the reason for each; mend the endpoints in cutwater.toml or "
    "start the systems, then run `cutwater inventory discover` again.",
    "CW2106": "A folder that discovery should read is not there or not readable. Mend [endpoints] in cutwater.toml or the "
    "folder's rights.",
    "CW2107": "A system answered discovery with something that is not what its protocol says. The message names the system "
    "and the answer.",
    "CW2108": "An endpoint that discovery needs is not configured. Set it under [endpoints] in cutwater.toml.",
    "CW2109": "An outside system did not answer discovery. Start it, or mend its address in cutwater.toml, and discover again.",
    "CW2110": "Discovery was saved, but a configured system, or a part of one, was not looked at; what it holds is unknown, "
    "not absent. Mend the cause that the message names and discover again.",
}
