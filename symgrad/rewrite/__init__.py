"""Rewriting: the canonical form, and rules as data with an engine that applies them."""
