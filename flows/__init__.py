"""The flows: the order in which stages run."""
