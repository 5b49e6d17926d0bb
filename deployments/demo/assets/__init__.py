"""How the demo's model and movie are made: a rendered mouse, and a network trained on it."""
