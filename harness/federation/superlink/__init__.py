"""A federation over Flower's SuperLink, and the app directory that `flwr run` takes."""
