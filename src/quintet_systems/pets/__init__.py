"""Pets: from a folder of labelled photos to a supervised small board."""
