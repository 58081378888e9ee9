"""The base model and the adapter as an evaluation loads them."""
