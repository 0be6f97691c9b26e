"""What a run does with its data and network; one file a task."""
