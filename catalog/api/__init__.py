"""The catalog over HTTP, in the shapes of the contract."""
