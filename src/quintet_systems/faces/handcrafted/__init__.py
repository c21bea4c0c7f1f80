"""Hand-crafted features, fitted and then embedders like any other."""
