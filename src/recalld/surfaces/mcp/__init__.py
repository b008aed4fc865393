"""The tools of agents: the Model Context Protocol over HTTP and stdio."""
