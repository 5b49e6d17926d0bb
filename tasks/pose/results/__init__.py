"""What a run delivers: the run record, the report, pages, and published names."""
