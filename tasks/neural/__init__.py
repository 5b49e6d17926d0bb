"""From behavior to neural activity: states mapped to a miniscope's samples, and what differs."""
