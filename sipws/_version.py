"""The version of sipws, in one place: the build, the command line and the user agent's name read it."""

__version__ = "0.1.0"
