"""Read files of strangers safely: zips, YAML, pickled weights, and TensorFlow indexes."""
