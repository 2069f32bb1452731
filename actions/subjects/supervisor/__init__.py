"""Processes under supervisord, over XML-RPC."""
