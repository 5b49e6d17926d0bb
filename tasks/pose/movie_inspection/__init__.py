"""Look into a movie without a model: its frames, its times, and a sheet of pictures."""
