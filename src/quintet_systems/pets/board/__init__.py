"""The board's part: what runs on a small computer for months with nobody near. It loads no training library."""
