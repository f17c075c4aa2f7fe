"""A faithful Adobe Target for demos and tests, with fault switches and a parser of its own."""
