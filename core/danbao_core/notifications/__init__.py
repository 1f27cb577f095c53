"""How what happened is told to whoever wants to know: webhook endpoints, and what is on its way to them; what people are told,
in which words, and by which way it reaches them."""
