"""What a player shows in step with a movie: traces of its poses, and its worst frames."""
