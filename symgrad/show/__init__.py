"""Expressions as text, LaTeX, Python source and drawings."""
