"""Draw the preview figures: histogram, likelihood, coordinates, and trajectory."""
