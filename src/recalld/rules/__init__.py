"""Pure functions: total, bounded, property-tested. No I/O, no async."""
