"""Branch coverage: what the tests run of the package, and what they do not."""
