"""Skills: taken from what was sent, kept, shown."""
