"""Tables of poses: reading, writing, filtering, tracking, quality, and annotations."""
