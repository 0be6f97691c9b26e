"""A memory of what was seen once: keys, values and ages, searched exactly or by hash tables."""
