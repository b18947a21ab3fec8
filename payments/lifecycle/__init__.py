"""The life of a payment, put together from its events in any order. Source of the rules: docs/specs/life-cycle.md."""
