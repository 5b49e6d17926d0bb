"""A request whose movies are spread over several workers."""
