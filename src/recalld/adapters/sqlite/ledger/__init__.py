"""The tree, sessions and jobs: what commits change, and the queries over it."""
