"""How faces are judged: error rates, View 2, identification, detection."""
