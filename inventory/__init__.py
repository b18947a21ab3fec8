"""The As-Is estate: assets, discovery, drift, mappings with comparison classes."""
