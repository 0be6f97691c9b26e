"""One run: network, trainer, work counters, stopwatch."""
