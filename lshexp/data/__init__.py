"""Datasets, one file each: readers of published files and generators that need no network."""
