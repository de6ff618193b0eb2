"""The tests of sipws; the folders mirror the package."""
