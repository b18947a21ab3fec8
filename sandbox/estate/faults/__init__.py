"""Planted faults: one module per place where something goes wrong."""
