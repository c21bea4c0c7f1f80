"""How what Quintet carries was made, and on whom."""
