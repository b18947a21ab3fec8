"""Cutwater moves a payments estate to a lakehouse, wave by wave, with evidence that can be run again."""

__version__ = "0.1.0"
