"""The embedded estate: real servers, seed data, live traffic, fault injection, the demo."""
