"""How cost, memory and time to start grow with rules, doors, timers, campuses, state and journal."""
