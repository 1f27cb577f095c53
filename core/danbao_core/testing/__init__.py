"""The pytest plugin: a running sandbox for the tests of those who call Danbao.

Importing this package imports nothing else: pytest loads the plugin in every run where danbao is installed. One host process
serves a test run, with all its xdist workers: it has one Postgres and, for each process of the run that asks, a sandbox on a
database of its own (`host.py`). It starts when it is first asked, and ends with the last connection to it (`lease.py`).
"""
