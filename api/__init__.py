"""Shows: the HTTP API, the event stream, and the pages people look at."""
