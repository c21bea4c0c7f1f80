"""The public sets and anybody's folder, as pictures with people's names."""
