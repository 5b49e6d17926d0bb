"""How files get from the store to a browser: parts of them, signed links, and zip files."""
