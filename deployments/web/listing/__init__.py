"""Which runs there are: a small database that is brought up to date from the object store."""
