"""Both sides read at a stated point, compared, and every difference named: encoding, digests, diff, breaks, evidence."""
