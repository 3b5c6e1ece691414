"""The catalog as a file: readable, in a stable order, and exact in both directions.

`reading` turns a text into values that know their lines, `shapes` says which values there are,
`exporting` writes what is stored, `difference` compares, and `importing` does what a file says.
"""
