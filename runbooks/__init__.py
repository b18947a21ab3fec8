"""The plan, its schedule and its journal rendered for people."""
