"""Ways of choosing which nodes of a layer to compute, one file each."""
