"""One module per wire format. Each turns the estate's values into bytes; none of them reads anything."""
