"""The only room that knows everybody: config, plugins, build, engine, worker."""
