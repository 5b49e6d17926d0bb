"""Results of a run: the run record, the report, pages, and published names."""
