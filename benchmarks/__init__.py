"""Programs that measure, with real processes, and print a count at the end. `make bench` runs them all."""
