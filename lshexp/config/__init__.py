"""Sweep files: YAML with places, blocks, overrides, and the runs they expand to."""
