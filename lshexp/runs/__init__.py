"""Many runs: order, store, CSV files."""
