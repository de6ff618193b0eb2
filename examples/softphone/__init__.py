"""A telephone in a web page, which calls a user agent in Python and is called by it."""
