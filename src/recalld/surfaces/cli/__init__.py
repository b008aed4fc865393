"""The command line: ``recalld``. Client commands import neither the server nor the engine."""
