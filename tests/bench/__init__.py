"""DeepLabCut's own calls and our stages on the same movie, in turns: `python -m tests.bench`."""
