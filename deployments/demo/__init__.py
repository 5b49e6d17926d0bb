"""A demo that needs nobody's data: a rendered movie of a mouse and a model trained on others."""
