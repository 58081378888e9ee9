"""Processes that load plugin code: started without what they do not need, and ended to the last.

The process that writes a record loads no plugin. What only plugin code can say is asked of a child,
which gives up files, network and signals before it imports anything, and answers by value.
"""
