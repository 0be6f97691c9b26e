"""Hash families, one file each, and the bucket tables they share."""
