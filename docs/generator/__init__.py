"""The documentation site: `python -m docs.generator FOLDER`, which is what `make docs` runs.

The pages under `docs/` are written by hand. What the code knows better is made from it at every build: the reference from
the protos, the reasons of refusals from their classes, the diagrams from the transition tables, the figures from `bench.json`.
"""
