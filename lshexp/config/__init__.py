"""Sweep files: YAML with places, blocks, overrides, and the runs they expand to."""

from lshexp.config.sweep import Sweep, load_sweep, read_resolved, resolved_text

__all__ = ["Sweep", "load_sweep", "read_resolved", "resolved_text"]
