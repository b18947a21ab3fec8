"""ISO 20022, SWIFT FIN and bulk files to canonical events; identity; life cycle. Pure: bytes in, values out."""
