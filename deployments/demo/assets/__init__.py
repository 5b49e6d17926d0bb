"""The making of the demo's model and movie: a rendered mouse, and a network trained on it."""
