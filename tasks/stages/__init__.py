"""How a function becomes a Prefect task: retries, names, progress, and pages in the UI."""
