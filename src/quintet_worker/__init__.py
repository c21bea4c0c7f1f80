"""The worker: one fresh process that runs one job under one library. Standard library and numpy only, Python 3.6 syntax."""
