"""From end to end: what one process holds, how long a message takes, and what others would do in its place."""
