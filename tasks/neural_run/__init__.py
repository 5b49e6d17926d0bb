"""One request on neural activity: resolve, analyze, publish, and record."""
