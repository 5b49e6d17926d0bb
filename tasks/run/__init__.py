"""One request: resolve it, fetch its inputs, and run its stages."""
