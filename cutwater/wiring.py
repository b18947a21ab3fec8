"""The one place that maps a configured kind to an adapter."""
