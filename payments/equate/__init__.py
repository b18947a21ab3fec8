"""An MT and an MX message of one payment side by side, every field of both by its class. Rules: docs/specs/equate.md."""
