"""The machine: a Program of the index language goes in, a compiled kernel comes out.

Nothing here knows an operation of symgrad, a derivative or SymPy.  The folder is shipped as `symgrad.compiler`.
"""
