"""Energy models, one file each: joules from counted work."""
