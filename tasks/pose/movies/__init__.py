"""Read movies: frames in order, their times, and which frames were lost."""
