"""One outside technology each; adapters never import each other."""
