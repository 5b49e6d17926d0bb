"""Exports of a movie's poses in the forms that other programs open."""
