"""The inbox: what lies there, what is due, and the runs that are started for it."""
