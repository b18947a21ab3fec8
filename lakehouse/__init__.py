"""The To-Be lake: its tables, and the intake that turns received messages into canonical events."""
