"""Our Prefect server: Prefect's own, kept quiet, with rules for states and names of runs."""
