"""Codes of the state store (CW20nn): what each means and what to do."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW2001": "Another runner holds the wave's lease. Attach to it with `cutwater wave status`, or wait until it ends; "
    "a lease whose holder died ends by itself at the time that the message names.",
    "CW2002": "The lease was lost: it ran out and another runner took it. This process must do nothing more for the "
    "wave; `cutwater wave status` shows who runs it now.",
    "CW2003": "The journal refused a record because a later fencing token exists: a zombie runner tried to write. "
    "Nothing was written; stop that process.",
    "CW2004": "The state store did not answer in time, is locked or its disk is full. Nothing was half-written: "
    "free the disk or wait, then run the same command again.",
    "CW2005": "The state store's URL is not understood. Use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DB "
    "under [state] url in cutwater.toml.",
    "CW2006": "The state store was written by a newer cutwater. Use that version or newer; an older one would "
    "misread it.",
    "CW2007": "The journal or the evidence was altered: a record was edited, removed, inserted, reordered or cut off. "
    "Keep a copy of the store, restore it from a backup and compare; nothing built on it is to be trusted until then.",
    "CW2008": "A saved plan no longer has the content it was saved with. An approval of it is void: plan again "
    "and have the new plan approved.",
    "CW2009": "The store has no such object (plan, request, snapshot or run). List what there is with the noun's "
    "list or show command.",
    "CW2010": "A value cannot be kept in the journal: only JSON values without floats have one canonical form. "
    "This is a defect: report it with the kind of record that the message names.",
    "CW2011": "The anchor is not of the form SEQ:HASH (64 hexadecimal digits). Copy it as `cutwater evidence verify` "
    "printed it.",
    "CW2012": "The journal holds no record, so nothing could be verified. Is this the right project? A store that was "
    "emptied shows only against an anchor: `cutwater evidence verify --anchor SEQ:HASH`.",
    "CW2013": "The ledger of held payments has this key with another payment. The first one stands; a sender that uses "
    "its key twice is told so.",
    "CW2014": "A held payment was to be released before an earlier one of the same account. They go in order: release "
    "or return the earlier one first.",
    "CW2015": "A held payment has one end, released or returned, and this one had the other. Nothing was changed; look "
    "on the new side whether it is there.",
    "CW2016": "A held payment is released on a receipt of its own. Without one, or with that of another payment, nobody "
    "knows whether it arrived: it stays held.",
    "CW2017": "A held payment was sent and its answer is not known. It is offered again under the same key, never "
    "returned on a guess: it would be paid and sent back.",
    "CW2019": "The file of the state store is no SQLite database, or a damaged one. Restore it from a backup and keep the "
    "damaged one; a new, empty store would know nothing of what was cut over.",
    "CW2018": "The ledger of held payments is closed for that epoch: the route has opened and everything was released. "
    "The sender is told to come back; its payment goes to the open side.",
}
