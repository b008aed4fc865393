"""Use cases: each module reads through ports, decides with rules and commits."""
