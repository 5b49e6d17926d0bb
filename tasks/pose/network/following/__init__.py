"""A window of the frame that follows the animals: placed, checked, and measured."""
