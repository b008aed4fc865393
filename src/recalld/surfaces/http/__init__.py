"""The wire contract over HTTP: translates, never decides."""
