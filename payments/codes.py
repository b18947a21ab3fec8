"""Codes of the payments language (CW22nn): what each means and what to do."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW2211": "Two messages cannot be equated: one is not readable, or their types are no pair (MT103 and pacs.008, MT940 and "
    "camt.053, ...). The message says which; docs/specs/equate.md lists the pairs.",
    "CW2212": "An MT and an MX message of one payment differ in fields, and no rule explains it. The listed places say where; "
    "--all lists every field with its class, --reveal the values.",
    "CW2213": "No payment has the key that was asked for. A UETR, a payment key or an event key names one; "
    "`cutwater payments parse` shows the keys of a file's events.",
    "CW2214": "An argument of `cutwater payments` is not usable: a path that is not there, an instant that is none. The message names it.",
    "CW2215": "The folder that --schemas names holds no XSD. Schemas are found by the message type in their name (pacs.008.001.08.xsd).",
}
