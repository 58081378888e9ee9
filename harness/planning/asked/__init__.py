"""The recipe and the model that a request asks for, looked up."""
