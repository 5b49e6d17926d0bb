"""How a run is started: inputs to pick from, looks at them, the plan, and the run's progress."""
