"""Application layer: config, plugins, wiring, engine, worker. The only package that imports all others below."""
