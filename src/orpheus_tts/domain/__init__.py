"""Values and pure functions of speech: standard library and numpy only, embeddable anywhere."""
