"""Who may do what: names and origins of requests, the password, sessions, and read-only mode."""
