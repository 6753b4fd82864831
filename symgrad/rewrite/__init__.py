"""Rewriting: rules are data, the engine is iterative, every rule set settles."""
