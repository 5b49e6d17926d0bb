"""The output location: lock, hidden folder, run record, published and reused results."""
