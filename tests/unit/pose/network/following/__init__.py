"""Windows that follow the animals."""
