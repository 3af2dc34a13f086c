"""How each method takes its steps; :mod:`..integrate` drives them."""
