"""One behavior request: resolve its tables, analyze each, publish, and record."""
