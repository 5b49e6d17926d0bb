"""Find lost runs and start them again."""
