"""Version 1 of the contract: the proto files and the Python code generated from them."""
