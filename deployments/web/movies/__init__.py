"""What the player shows of a delivered movie, read from the store once and kept for a while."""
