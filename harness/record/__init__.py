"""The result record, by what it is about. See `result.ResultRecord`.

Fractions are in [0, 1], sizes are bytes, times are UTC and seconds (`_s`). Percent, MiB and GiB
appear only when something is rendered for people.
"""
