"""From poses to behavior: one point per animal, speed, states, bouts, and zones, true in time."""
