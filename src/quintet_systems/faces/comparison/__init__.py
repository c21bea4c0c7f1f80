"""`quintet faces compare`: every method on every set under every condition, and what becomes of the survey's claims."""
