"""Ways in: each translates, none decides; strangers to each other."""
