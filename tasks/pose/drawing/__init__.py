"""Draw poses on frames and encode the labeled movie."""
