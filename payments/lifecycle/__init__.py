"""The life of a payment, put together from its events in any order. The rules stand as data in table.py."""
