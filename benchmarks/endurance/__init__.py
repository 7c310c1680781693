"""What Hallwatch stands: weeks, kills, restarts, a full disk, a wrong clock, a backlog and rubbish, each counted."""
