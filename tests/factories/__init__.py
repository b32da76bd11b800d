"""Makers of rows for tests and for looking at pages by hand. Each gives a row that is whole; a test names only what it is about."""
