"""A deployment of Flower: certificates, keys, a SuperLink, SuperNodes, and who answers for them."""
