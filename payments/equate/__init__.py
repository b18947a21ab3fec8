"""An MT and an MX message of one payment side by side, every field of both by its class. Rules: rows.py and leftovers.py."""
