"""The use case: text in, ordered audio out."""
