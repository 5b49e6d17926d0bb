"""A day of service, lived through in an hour: ``make day``."""
