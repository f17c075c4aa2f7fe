"""Sample change events of every shape: schemas, datums, and what each event becomes.

`python -m tests.samples` writes them into `schemas/samples/`, where producers and the docs find them; a test holds
these files to the code. The schemas are our own, in the form of the tools'.
"""
