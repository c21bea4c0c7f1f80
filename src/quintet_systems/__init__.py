"""The systems: each folder is one application, found by the core through its entry point."""
