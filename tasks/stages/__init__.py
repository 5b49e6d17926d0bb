"""The making of a Prefect task from a function: retries, names, progress, and UI pages."""
