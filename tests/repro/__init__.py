"""`tox -e repro`: does a federation repeat itself, and does a submission?"""
