"""One folder per outside system; each implements ports that the contexts declare."""
